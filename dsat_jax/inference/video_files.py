"""Reader and writer of video files, frame by frame."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np
from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.files import image_files

SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
    *(".mts", ".m2ts", ".wmv", ".3gp", ".3g2", ".flv", ".ogv"),
)
# MPEG-4 part 2, because the wheels of OpenCV cannot write H.264, and VP9 is 16 times slower (0.18 s for 1280 x 720 px).
_CODEC = "mp4v"
_USUAL_RATE = 25.0  # frames per second, for files that do not state their rate
# Files of variable frame rate may state the rate of their clock instead: above this rate, the second is taken.
_HIGHEST_RATE, _INSTEAD_OF_HIGHER = 240.0, 60.0
_LOWEST_RATE = 0.1  # of slower films, frames are repeated
_LONGEST_PAUSE = (
    60.0  # seconds for which a written frame is repeated: times of damaged files can jump by years
)
# A file may be this many seconds shorter than it states: most files state a length in hundredths of a second, or only
# an estimate.
_MISSING = 0.5

# Formats whose time begins at 0: in others, such as MPEG's streams, the time of the first frame means nothing.
_FROM_ZERO = (".mp4", ".mov", ".m4v", ".mkv", ".webm")
_LATE = 0.2  # seconds, of a first frame; encoders that reorder frames cause less

# Silences FFmpeg, because exceptions report damaged files. It reads the variable when OpenCV opens the first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
      number: number from 0.
      time: time in seconds.
      image: uint8 [height, width, 3] RGB.
    """

    number: int
    time: float
    image: np.ndarray


def _opened(path: pathlib.Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file, expected a video")
    # The absolute path, because FFmpeg would take the start of `concat:a.mp4` for a protocol.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UserError(f"{path} is not a video that can be read ({path.stat().st_size} bytes)")
    return capture


def check_size(capture: cv2.VideoCapture, name: pathlib.Path | str) -> None:
    """Closes and refuses a video whose frames have more than `image_files.MOST_PIXELS`; `name` is for the message."""
    width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > image_files.MOST_PIXELS:
        capture.release()
        raise UserError(
            f"{name} has frames of {width:g} x {height:g} px, expected at most {image_files.MOST_PIXELS} pixels"
        )


class VideoFile:
    """Iterator over the frames of a video file as players show them: upright, and with square pixels.

    Args:
      path: video file, or the printed name of `capture`.
      capture: opened video, for one that is not a file of this machine; None opens the file.

    Attributes:
      rate: frames per second.
      seconds: length that the file states, in seconds; 0 if it states none.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if OpenCV's FFmpeg cannot read the file, or its frames have more than `image_files.MOST_PIXELS`.
    """

    def __init__(self, path: pathlib.Path | str, capture: cv2.VideoCapture | None = None):
        self.path = path
        self._capture = _opened(pathlib.Path(path)) if capture is None else capture
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if rate > _HIGHEST_RATE:
            self.rate = _INSTEAD_OF_HIGHER
        else:
            self.rate = max(rate, _LOWEST_RATE) if rate > 0 else _USUAL_RATE
        self.seconds = count / rate if count > 0 and rate > 0 else 0.0
        check_size(self._capture, path)
        self._stretch = _stretch(self._capture)

    def close(self) -> None:
        """Frees the decoder."""
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Yields the remaining frames.

        Raises:
          UserError: if the size of the frames changes, if the file has no frame, or, after the last frame, if the file
            states a greater length.
        """
        time, first, longest = -1.0 / self.rate, None, 1 / self.rate
        for number in itertools.count():
            success, pixels = self._capture.read()
            if not success:
                break
            if number == 0:
                self._name_late_start()
            stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            now = stated if stated > time else time + 1 / self.rate
            longest, time = max(longest, now - time if number else 0.0), now
            first = pixels.shape if first is None else first
            if pixels.shape != first:
                raise UserError(
                    f"{self.path}: frame {number} has {pixels.shape[1]} x {pixels.shape[0]} px, expected "
                    f"{first[1]} x {first[0]} px as in the first frame"
                )
            yield Frame(number, time, self._shown(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)))
        if number == 0:
            raise UserError(f"{self.path} is a video without a frame that can be read")
        if time + longest < self.seconds - _MISSING:  # the last frame may last as long as the longest
            raise UserError(
                f"{self.path} stops after {time + longest:.2f} s ({number} frames), expected {self.seconds:.2f} s"
            )

    def _name_late_start(self) -> None:
        """Warns if the first frame, which has been read, comes after the sound: its time here is 0."""
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        start = self._capture.get(cv2.CAP_PROP_PTS) / rate if rate > 0 else 0.0
        if start > _LATE and pathlib.Path(self.path).suffix.lower() in _FROM_ZERO:
            logging.warning(
                "%s: its images begin %.2f s after its start; times count from the first image",
                self.path,
                start,
            )

    def _shown(self, image: np.ndarray) -> np.ndarray:
        if self._stretch == (1.0, 1.0):
            return image
        size = [round(side * factor) for side, factor in zip(image.shape[1::-1], self._stretch, strict=True)]
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _stretch(capture: cv2.VideoCapture) -> tuple[float, float]:
    """Returns the factors of width and height, 1 or more, that make the pixels of a video square."""
    wide, high = (capture.get(side) for side in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    if min(wide, high) <= 0:  # a source that states no shape of its pixels
        return 1.0, 1.0
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90 and capture.get(cv2.CAP_PROP_ORIENTATION_AUTO):
        wide, high = high, wide
    return max(1.0, wide / high), max(1.0, high / wide)


class VideoWriter:
    """Writer of an .mp4 file of a constant frame rate, which shows each frame at its time.

    Args:
      path: file to write.
      rate: frames per second.
      size: width and height in pixels; an odd size loses its last column or row.

    Raises:
      OSError: if the file cannot be written.
    """

    def __init__(self, path: pathlib.Path, rate: float, size: tuple[int, int]):
        self._path, self._count = path, 0
        self._rate, self._first, self._shown = round(rate, 2), None, None
        fourcc = cv2.VideoWriter.fourcc(*_CODEC)
        # The rate is rounded because the clock of MPEG-4 has at most 65,535 ticks per second.
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, self._rate, size)
        if not self._writer.isOpened():
            raise self._failed(f"a video of {size[0]} x {size[1]} px")

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Adds a frame.

        Args:
          image: uint8 [height, width, 3] RGB.
          time: time of the frame in seconds; None for the next time of the frame rate. The frame before is repeated up
            to this time, at most for a minute; later frames are then as much earlier. A frame whose time has another
            frame already is left out.
        """
        frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if time is not None:
            self._first = time if self._first is None else self._first
            number = round((time - self._first) * self._rate)
            if number < self._count:
                return
            pause = min(number - self._count, round(_LONGEST_PAUSE * self._rate))
            self._first += (number - self._count - pause) / self._rate
            for _ in range(pause):
                self._add(self._shown)
        self._add(frame)
        self._shown = frame

    def _add(self, frame: np.ndarray) -> None:
        self._writer.write(frame)
        self._count += 1

    def close(self) -> None:
        """Completes the file.

        Raises:
          OSError: if the file does not contain all frames, for example on a full disk, which OpenCV does not report.
        """
        if not self._writer.isOpened():
            return
        self._writer.release()
        written = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        count = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if count != self._count:
            raise self._failed(f"it contains {count} frames, expected {self._count}")

    def _failed(self, reason: str) -> OSError:
        return OSError(f"{self._path} could not be written: {reason}")
