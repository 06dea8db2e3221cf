"""Videos on a web server of this machine: a live stream of JPEG images, as network cameras send it, and files."""

import contextlib
import functools
import http.server
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np


@contextlib.contextmanager
def _serving(handler: type) -> Iterator[str]:
    """Yields the address of a server that runs until the end of the block."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *values: object) -> None:
        pass


@contextlib.contextmanager
def served_folder(folder: pathlib.Path) -> Iterator[str]:
    """Yields the address at which the files of a folder are served."""
    with _serving(functools.partial(_Quiet, directory=str(folder))) as url:
        yield url


class MjpegStream:
    """Context manager that sends images to each client, at a steady rate, and then ends the stream.

    Args:
      images: uint8 [height, width, 3] RGB.
      rate: images per second.

    Attributes:
      url: address of the stream.
    """

    def __init__(self, images: Sequence[np.ndarray], rate: float = 25.0):
        first = {id(image): image for image in images}  # the same image may be repeated
        encoded = {key: cv2.imencode(".jpg", image[..., ::-1])[1].tobytes() for key, image in first.items()}
        parts = [encoded[id(image)] for image in images]

        class Handler(_Quiet):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    for part in parts:
                        self.wfile.write(b"--part\r\nContent-Type: image/jpeg\r\n")
                        self.wfile.write(f"Content-Length: {len(part)}\r\n\r\n".encode() + part + b"\r\n")
                        time.sleep(1 / rate)

        self._server = _serving(Handler)

    def __enter__(self) -> "MjpegStream":
        self.url = f"{self._server.__enter__()}/live"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.__exit__(*exception)
