"""Cameras and network streams, of which the newest frame counts: frames that come during a prediction are dropped."""

import itertools
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator

import cv2

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.inference import video_files
from dsat_jax.inference.video_files import Frame, VideoFile

_CAMERA = re.compile(r"camera:(\d{1,3})")
_STREAM = re.compile(r"(rtsp|http|https)://\S", re.IGNORECASE)
_TIMEOUT = 10  # seconds for the connection to a stream, and for each of its frames
_LONGEST_NAME = 100  # characters


def is_address(name: str) -> bool:
    """Whether a name is that of a camera, `camera:0`, or of a stream, `rtsp://`, `http://` or `https://`."""
    return bool(_CAMERA.fullmatch(name) or _STREAM.match(name))


def shown_name(address: str) -> str:
    """Returns an address without user name, password and query, for messages."""
    if _CAMERA.fullmatch(address):
        return address
    scheme, host, path = _split(address)
    return f"{scheme}://{host}{path}"


def results_name(address: str) -> str:
    """Returns the name of an address's results, `camera0` or `192.168.0.5_554_door` for rtsp://192.168.0.5:554/door."""
    camera = _CAMERA.fullmatch(address)
    if camera:
        return f"camera{int(camera[1])}"
    _, host, path = _split(address)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{host}{path}")[:_LONGEST_NAME]
    return name.strip("._") or "stream"


def _split(address: str) -> tuple[str, str, str]:
    """Returns scheme, HOST:PORT and path of a stream's address."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError as error:
        raise UserError(f"found the address of a stream with an invalid host: {error}") from error
    return parts.scheme, parts.netloc.rpartition("@")[2], parts.path


def open_source(address: str) -> "VideoFile | LiveSource":
    """Opens a camera or a stream; a stream that states its length is a video, of which each frame counts.

    Raises:
      UserError: if it cannot be opened or is an image, or its frames have more than `image_files.MOST_PIXELS`.
    """
    name, camera = shown_name(address), _CAMERA.fullmatch(address)
    if not camera and _split(address)[2].lower().endswith(tuple(image_files.SUFFIXES)):
        raise UserError(f"{name} is an image, expected a stream of video: curl {name} | dsat-jax predict -")
    if camera:
        capture = cv2.VideoCapture(int(camera[1]))
        expected = "a camera that is connected and that no other program uses"
    else:
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        options = [value for limit in limits for value in (limit, 1000 * _TIMEOUT)]
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)
        expected = "a stream of video"
    if not capture.isOpened():
        raise UserError(f"{name} cannot be opened, expected {expected}")
    if not camera and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return VideoFile(name, capture)
    video_files.check_size(capture, name)
    return LiveSource(name, capture)


class LiveSource:
    """Iterator over the newest frames of a camera or stream.

    A thread reads all frames and keeps the last one. The number of a frame counts all that were received, so that
    numbers left out are those of dropped frames. Its time is the time of arrival, from 0 for the first frame.

    Args:
      name: name for messages.
      capture: opened camera or stream.
    """

    def __init__(self, name: str, capture: cv2.VideoCapture):
        self._name, self._capture = name, capture
        self._newest: Frame | None = None
        self._ended = False
        self._condition = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"reader of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        start = None
        try:
            for number in itertools.count():
                success, pixels = self._capture.read()
                if not success:
                    return
                now = time.monotonic()
                start = now if start is None else start
                code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
                image = cv2.cvtColor(pixels, code)
                with self._condition:
                    if self._ended:
                        return
                    self._newest = Frame(number, now - start, image)
                    self._condition.notify()
        except cv2.error:
            return  # a frame that is not an image ends the stream
        finally:
            with self._condition:
                self._ended = True
                self._condition.notify()

    def __iter__(self) -> Iterator[Frame]:
        """Yields the newest frame, each time after waiting for one that was not yielded, until the source ends.

        Raises:
          UserError: if the source ends without a frame.
        """
        for count in itertools.count():
            with self._condition:
                # On Windows, Ctrl-C does not interrupt a wait without a timeout.
                while not self._condition.wait_for(lambda: self._newest is not None or self._ended, 0.5):
                    pass
                frame, self._newest = self._newest, None
            if frame is None and not count:
                raise UserError(f"{self._name} sent no frame, expected a stream of video")
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Ends the thread and frees the camera or the connection."""
        with self._condition:
            self._ended = True
        self._reader.join(_TIMEOUT + 1)
        if not self._reader.is_alive():  # a blocked reader still uses the capture
            self._capture.release()
