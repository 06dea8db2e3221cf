"""Videos: frames in; an annotated video and the landmarks of every frame out."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import tqdm

from dsat_jax import geometry, landmark_files, picture_files, pictures, smoothing, tracking
from dsat_jax.predictor import Predictor
from dsat_jax.schemes import Scheme
from dsat_jax.smoothing import OneEuro, Smoothed
from dsat_jax.tracking import Frame, Track

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
class VideoResults:
    """What was made of a video.

    Attributes:
      landmarks: NAME.jsonl, a line for each frame.
      video: NAME_landmarks.mp4.
      frames: number of frames.
      faces: number of faces, summed over the frames.
      tracks: number of different tracks.
    """

    landmarks: pathlib.Path
    video: pathlib.Path
    frames: int
    faces: int
    tracks: int


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
            raise ValueError(f"{path} is not a video that can be read ({path.stat().st_size} bytes)")
        told = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = told if 1 <= told <= _HIGHEST_RATE else _USUAL_RATE
        self.seconds = count / told if count > 0 and told > 0 else 0.0
        width, height = (
            self._capture.get(what) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > picture_files.MOST_PIXELS:
            self.close()
            raise ValueError(
                f"{path} has frames of {width:g} x {height:g} px, expected at most {picture_files.MOST_PIXELS} pixels"
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
        time, first = -1.0 / self.rate, None
        for number in itertools.count():
            there, picture = self._capture.read()
            if not there:
                break
            told = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            time = told if told > time else time + 1 / self.rate
            first = picture.shape if first is None else first
            if picture.shape != first:
                raise ValueError(
                    f"{self.path}: frame {number} has {picture.shape[1]} x {picture.shape[0]} px, the first had "
                    f"{first[1]} x {first[0]} px, expected one size"
                )
            yield Frame(number, time, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if number == 0:
            raise ValueError(f"{self.path} is a video without a frame that can be read")
        if time + 1 / self.rate < self.seconds - _MISSING:
            raise ValueError(
                f"{self.path} stops after {time + 1 / self.rate:.2f} s ({number} frames), expected {self.seconds:.2f} s"
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


def predict_video(
    predictor: Predictor,
    file: pathlib.Path,
    out: pathlib.Path,
    smooth: OneEuro | None = None,
    look_every: int = tracking.LOOK_EVERY,
    together: int = tracking.TOGETHER,
) -> VideoResults:
    """Follows the faces of a video: NAME.jsonl with a line for each frame, and NAME_landmarks.mp4, without sound.

    A line is {"frame": number from 0, "time": seconds, "faces": [{"track": number, "box": [x_min, y_min, x_max, y_max]
    around the landmarks, "landmarks": [[x, y], ...], "confidence": [...] or null}, ...]}, in pixels of the video as
    players show it, upright. Smoothing changes landmarks and box, not the tracking.

    Args:
      predictor: of the landmarks.
      file: the video.
      out: folder of the results; not that of the video.
      smooth: settings of the One-Euro filter; None for the landmarks as they are found.
      look_every: frames after which the detector looks for new faces.
      together: frames in whose faces the network may look at once, in the boxes of the frame before them.

    Raises:
      OSError: if the file cannot be read, or the results cannot be written.
      ValueError: if the file is no video, or stops before its end: then what was made up to there is kept.
    """
    file, out = pathlib.Path(file), pathlib.Path(out)
    landmark_files.check_folder(out)
    [stem] = landmark_files.output_stems([file], out)
    with contextlib.closing(VideoFile(file)) as source:
        frames = iter(source)
        first = next(frames)  # before anything is written
        stem.parent.mkdir(parents=True, exist_ok=True)
        found = tracking.follow_faces(predictor, itertools.chain([first], frames), look_every, together)
        shown = tqdm.tqdm(found, file.name, round(source.seconds * source.rate) or None, unit="frame")
        try:
            return _write_results(shown, stem, source.rate, smooth, predictor.scheme)
        except ValueError as error:
            raise ValueError(f"{error}; what was made of it until then is in {stem.parent}") from error


def _write_results(
    found: Iterable[tuple[Frame, list[Track]]],
    stem: pathlib.Path,
    rate: float,
    smooth: OneEuro | None,
    scheme: Scheme,
) -> VideoResults:
    """Writes frame after frame; whatever ends this, both files are closed and whole up to there."""
    landmarks_file = stem.with_name(f"{stem.name}.jsonl")
    video_file = stem.with_name(f"{stem.name}_landmarks.mp4")
    frames = faces = tracks = 0
    smoothed: dict[int, Smoothed] = {}
    with contextlib.ExitStack() as files:
        lines = files.enter_context(landmarks_file.open("w", buffering=1))  # line by line
        video = None
        for frame, current in found:
            if video is None:
                size = frame.image.shape[1::-1]
                video = files.enter_context(contextlib.closing(VideoWriter(video_file, rate, size)))
            landmarks = {track.number: track.face.landmarks for track in current}
            if smooth is not None:
                smoothed = {
                    number: smoothing.smooth(smooth, smoothed.get(number), points, frame.time)
                    for number, points in landmarks.items()
                }
                landmarks = {number: state.landmarks for number, state in smoothed.items()}
            lines.write(_line(frame, current, landmarks) + "\n")
            video.write(_annotated(frame.image, landmarks, scheme))
            frames, faces = frames + 1, faces + len(current)
            tracks = max([tracks, *(track.number + 1 for track in current)])
    return VideoResults(landmarks_file, video_file, frames, faces, tracks)


def _line(frame: Frame, tracks: Sequence[Track], landmarks: Mapping[int, np.ndarray]) -> str:
    """A frame's line of NAME.jsonl."""
    faces = []
    for track in tracks:
        points, confidence = landmarks[track.number], track.face.confidence
        faces.append(
            {
                "track": track.number,
                "box": np.round(geometry.box_of_points(points), 3).tolist(),
                "landmarks": np.round(points, 3).tolist(),
                "confidence": None
                if confidence is None
                else np.round(confidence.astype(np.float64), 4).tolist(),
            }
        )
    return json.dumps({"frame": frame.number, "time": round(frame.time, 6), "faces": faces})


def _annotated(image: np.ndarray, landmarks: Mapping[int, np.ndarray], scheme: Scheme) -> np.ndarray:
    """The frame with the landmarks of its faces, and over each the number of its track."""
    drawn = np.ascontiguousarray(image)
    for number, points in landmarks.items():
        x_min, y_min, x_max, y_max = geometry.box_of_points(points)
        extent = min(max(x_max - x_min, y_max - y_min), max(image.shape))
        thickness = max(1, round(extent / 200))
        pictures.draw_landmarks(drawn, points, scheme, pictures.PREDICTED, thickness)
        corner = (max(round(x_min), 0), max(round(y_min - 0.05 * extent), 12))
        cv2.putText(
            drawn,
            str(number),
            corner,
            cv2.FONT_HERSHEY_SIMPLEX,
            extent / 250,
            pictures.PREDICTED,
            thickness,
            cv2.LINE_AA,
        )
    return drawn
