"""A page on this machine that shows the newest frame of a running prediction, as a stream of JPEG images."""

import collections
import contextlib
import http.server
import json
import threading
import time
from typing import Self

import cv2
import numpy as np

from dsat_jax.errors import UserError

_HOST = "127.0.0.1"
_BOUNDARY = "frame"
_QUALITY = 85  # of JPEG, in percent
_RATE_SECONDS = 2.0  # the rate is the mean over this time
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>dsat-jax</title>
<style>
  body { margin: 0; background: #111; color: #eee; font: 1rem system-ui, sans-serif; }
  p { margin: 0; padding: 0.5rem 1rem; }
  img { display: block; margin: auto; max-width: 100vw; max-height: calc(100vh - 2.5rem); }
</style>
<p id="status" role="status">Waiting for the first frame.</p>
<img src="/stream" alt="Newest frame with the landmarks of its faces">
<script>
  const line = document.getElementById("status");
  const timer = setInterval(async () => {
    try {
      const status = await (await fetch("/status")).json();
      if (status.frames > 0) {
        const faces = status.faces === 1 ? "1 face" : `${status.faces} faces`;
        line.textContent = `${status.source}: ${faces}, ${status.rate.toFixed(1)} frames/s`;
      }
    } catch {
      line.textContent = "The prediction has ended.";
      clearInterval(timer);
    }
  }, 500);
</script>
</html>
"""


class LivePage:
    """Context manager that serves the page at `url`, for programs of this machine only.

    Args:
      port: port of the page; 0 selects a free one.

    Attributes:
      url: address of the page.

    Raises:
      UserError: if the port cannot be used.
    """

    def __init__(self, port: int):
        try:
            self._server = _Server((_HOST, port), _Handler)
        except OSError as error:
            raise UserError(f"--show={port}: {error.strerror}, expected a free port") from error
        self._server.page = self
        self.url = f"http://{_HOST}:{self._server.server_port}"
        self._condition = threading.Condition()
        self._image: np.ndarray | None = None
        self._source, self._faces, self._frames, self._ended = "", 0, 0, False
        self._times = collections.deque[float]()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="live page", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, source: str, image: np.ndarray, faces: int) -> None:
        """Shows a frame.

        Args:
          source: name of the video or camera.
          image: annotated frame, uint8 [height, width, 3] RGB; it is not copied.
          faces: number of its faces.
        """
        with self._condition:
            self._source, self._image, self._faces = source, image, faces
            self._frames += 1
            self._times.append(time.monotonic())
            self._forget()
            self._condition.notify_all()

    def _forget(self) -> None:
        while self._times and self._times[0] < time.monotonic() - _RATE_SECONDS:
            self._times.popleft()

    def status(self) -> dict[str, str | int | float]:
        """Returns the name of the source, the number of frames so far, that of faces, and the frames per second."""
        with self._condition:
            self._forget()
            seconds = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
            rate = (len(self._times) - 1) / seconds if seconds > 0 else 0.0
            return {"source": self._source, "frames": self._frames, "faces": self._faces, "rate": rate}

    def next_frame(self, seen: int) -> tuple[int, np.ndarray] | None:
        """Waits for a frame after the first `seen`; returns its count and image, or None at the end of the run."""
        with self._condition:
            self._condition.wait_for(lambda: self._frames > seen or self._ended)
            return None if self._ended or self._image is None else (self._frames, self._image)


class _Server(http.server.ThreadingHTTPServer):
    """Server with the page that its handlers show."""

    page: LivePage
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers for the page, its stream and its status."""

    server: _Server

    def do_GET(self) -> None:
        """Answers a request."""
        with contextlib.suppress(ConnectionError):  # the browser has closed the page
            self._respond()

    def log_message(self, format: str, *values: object) -> None:
        """Prints no log of requests."""

    def _respond(self) -> None:
        # A page of another host whose name leads to this machine could otherwise read the camera.
        if self.headers.get("Host", "").partition(":")[0] not in (_HOST, "localhost"):
            self.send_error(403)
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", _PAGE.encode())
        elif self.path == "/status":
            self._answer("application/json", json.dumps(self.server.page.status()).encode())
        elif self.path == "/stream":
            self._stream()
        else:
            self.send_error(404)

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(f"--{_BOUNDARY}\r\n".encode())
        seen = 0
        while (frame := self.server.page.next_frame(seen)) is not None:
            seen, image = frame
            _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(encoded)}\r\n\r\n"
            # Browsers show an image when they have received the boundary after it.
            self.wfile.write(head.encode() + encoded.tobytes() + f"\r\n--{_BOUNDARY}\r\n".encode())
