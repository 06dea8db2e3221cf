"""Video files: read frame by frame, and written."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.files import image_files

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
# MPEG-4 part 2: the wheels of OpenCV cannot write H.264, and VP9 takes 16 times as long (0.18 s for 1280 x 720 px).
_CODEC = "mp4v"
_USUAL_RATE = 25.0  # frames per second, where a file does not tell
_HIGHEST_RATE = 240.0  # what files of unsteady rate may tell is that of their clock
_MISSING = (
    0.5  # seconds that a file may be shorter than it says: most say it in whole hundredths, or as an estimate
)

# What FFmpeg would print of a damaged file is said by an exception. It reads this when OpenCV opens the first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclasses.dataclass(frozen=True)
class Frame:
    """A picture of a video.

    Attributes:
      number: from 0.
      time: seconds.
      image: uint8 [height, width, 3] RGB.
    """

    number: int
    time: float
    image: np.ndarray


class VideoFile:
    """The frames of a video file, upright, one after the other.

    Args:
      path: of the file.

    Attributes:
      rate: frames per second.
      seconds: length that the file claims; 0 where it does not tell.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not a video that OpenCV's FFmpeg can read, or its pictures are larger than any.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file, expected a video")
        # the whole path: FFmpeg would take the beginning of `concat:a.mp4` for a protocol
        self._capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise UserError(f"{path} is not a video that can be read ({path.stat().st_size} bytes)")
        told = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = told if 1 <= told <= _HIGHEST_RATE else _USUAL_RATE
        self.seconds = count / told if count > 0 and told > 0 else 0.0
        width, height = (
            self._capture.get(what) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > image_files.MOST_PIXELS:
            self.close()
            raise UserError(
                f"{path} has frames of {width:g} x {height:g} px, expected at most {image_files.MOST_PIXELS} pixels"
            )

    def close(self) -> None:
        """Frees the decoder."""
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """The frames that are left.

        Raises:
          ValueError: after the last one, if the file says that there should be more, or if there is none at all; or if
            the size of the pictures changes.
        """
        time, first, longest = -1.0 / self.rate, None, 1 / self.rate
        for number in itertools.count():
            there, picture = self._capture.read()
            if not there:
                break
            told = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            now = told if told > time else time + 1 / self.rate
            longest, time = max(longest, now - time if number else 0.0), now
            first = picture.shape if first is None else first
            if picture.shape != first:
                raise UserError(
                    f"{self.path}: frame {number} has {picture.shape[1]} x {picture.shape[0]} px, the first had "
                    f"{first[1]} x {first[0]} px, expected one size"
                )
            yield Frame(number, time, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if number == 0:
            raise UserError(f"{self.path} is a video without a frame that can be read")
        if time + longest < self.seconds - _MISSING:  # the last frame may last as long as any
            raise UserError(
                f"{self.path} stops after {time + longest:.2f} s ({number} frames), expected {self.seconds:.2f} s"
            )


class VideoWriter:
    """An .mp4 file in the making.

    Args:
      path: of the file.
      rate: frames per second.
      size: width and height; an odd one loses its last column or row.

    Raises:
      OSError: if it cannot be written.
    """

    def __init__(self, path: pathlib.Path, rate: float, size: tuple[int, int]):
        self._path, self._count = path, 0
        fourcc = cv2.VideoWriter.fourcc(*_CODEC)
        # The clock of MPEG-4 has at most 65,535 ticks a second.
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, round(rate, 2), size)
        if not self._writer.isOpened():
            raise self._failed(f"a video of {size[0]} x {size[1]} px")

    def write(self, image: np.ndarray) -> None:
        """Adds a frame, uint8 [height, width, 3] RGB."""
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._count += 1

    def close(self) -> None:
        """Ends the file.

        Raises:
          OSError: if it does not hold all frames, as on a full disk: OpenCV does not tell.
        """
        if not self._writer.isOpened():
            return
        self._writer.release()
        written = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        count = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if count != self._count:
            raise self._failed(f"{self._count} frames, and {count} of them are there")

    def _failed(self, what: str) -> OSError:
        return OSError(f"{self._path} could not be written: {what}")
