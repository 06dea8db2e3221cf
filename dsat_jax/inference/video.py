"""Prediction of videos, cameras and streams: the landmarks of every frame, and an annotated video."""

import contextlib
import dataclasses
import itertools
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import numpy as np

from dsat_jax import drawing, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import live, one_euro, result_files, terminal, tracking, video_files
from dsat_jax.inference.live import LiveSource
from dsat_jax.inference.one_euro import OneEuro, Smoothed
from dsat_jax.inference.predictor import Predictor
from dsat_jax.inference.tracking import Track
from dsat_jax.inference.video_files import Frame, VideoFile
from dsat_jax.schemes import Scheme

Show = Callable[[str, np.ndarray, int], None]


@dataclasses.dataclass(frozen=True)
class VideoResults:
    """Results of a video or a live source.

    Attributes:
      landmarks: path of NAME.jsonl, which has a line for each frame.
      video: path of NAME_landmarks.mp4; None for a live source.
      frames: number of frames.
      faces: number of faces, summed over the frames.
      tracks: number of different tracks.
    """

    landmarks: pathlib.Path
    video: pathlib.Path | None
    frames: int
    faces: int
    tracks: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the prediction of a video.

    Attributes:
      smooth: settings of the One-Euro filter; None disables it.
      look_every: number of frames after which the detector searches for new faces.
      together: number of frames in a batch of the network; all use the boxes of the frame before the batch. A live
        source always has 1.
      looks: largest number of runs of the network on a tracked face, see `tracking.follow_faces`.
      mirror: whether to average a tracked face with its mirror image.
      show: function that shows the name of the source, an annotated frame and the number of its faces.
    """

    smooth: OneEuro | None = None
    look_every: int = tracking.LOOK_EVERY
    together: int = tracking.TOGETHER
    looks: int = tracking.LOOKS
    mirror: bool = tracking.MIRROR
    show: Show | None = None


DEFAULTS = Settings()


def predict_video(
    predictor: Predictor,
    file: pathlib.Path,
    out: pathlib.Path,
    settings: Settings = DEFAULTS,
    name: str | None = None,
) -> VideoResults:
    """Tracks the faces of a video and writes NAME.jsonl, one line per frame, and NAME_landmarks.mp4, without sound.

    A line is {"frame": number from 0, "time": seconds, "faces": [{"track": number, "box": [x_min, y_min, x_max, y_max]
    around the landmarks, "score": score of its last detection or null, "landmarks": [[x, y], ...], "confidence": [...]
    or null}, ...]}. Coordinates are pixels of the upright video, as players show it. Smoothing changes the landmarks
    and the box, not the tracking.

    Args:
      predictor: predictor of the landmarks.
      file: video file.
      out: folder of the results, different from that of the video.
      settings: settings of the prediction.
      name: NAME of the results; None for that of the file without its suffix.

    Raises:
      OSError: if the file cannot be read, or the results cannot be written.
      UserError: if the file is not a video, or ends early; the results of the frames before the end are kept.
    """
    file, out = pathlib.Path(file), pathlib.Path(out)
    result_files.check_folder(out)
    [stem] = result_files.output_stems([file], out, result_files.common_folder([file]))
    with contextlib.closing(VideoFile(file)) as source:
        return _predict(predictor, source, stem.with_name(name or stem.name), file.name, settings)


def predict_address(
    predictor: Predictor, address: str, out: pathlib.Path, settings: Settings = DEFAULTS
) -> VideoResults:
    """Tracks the faces of a camera or stream until it ends or Ctrl-C is pressed, and writes NAME.jsonl.

    A line is as in `predict_video`; its frame counts all frames received, of which those that came during a prediction
    are left out, and its time is the time of arrival. A stream that states its length is predicted as a video file.

    Args:
      predictor: predictor of the landmarks.
      address: camera or stream, as `live.is_address` takes it; NAME is `live.results_name`, with a number if such
        results of a camera or stream exist.
      out: folder of the results.
      settings: settings of the prediction.

    Raises:
      OSError: if the results cannot be written.
      UserError: if the camera or stream cannot be opened, or sends no frame.
    """
    out = pathlib.Path(out)
    result_files.check_folder(out)
    stem = out / live.results_name(address)
    with contextlib.closing(live.open_source(address)) as source:
        if isinstance(source, LiveSource):
            stem = _unused(stem)  # unlike those of a file, its results cannot be made again
        return _predict(predictor, source, stem, live.shown_name(address), settings)


def _unused(stem: pathlib.Path) -> pathlib.Path:
    """Returns a path without suffix, with `-2`, `-3` ... after its name if results of that name exist."""
    names = itertools.chain([stem.name], (f"{stem.name}-{number}" for number in itertools.count(2)))
    return next(
        path for name in names if not (path := stem.with_name(name)).with_name(f"{name}.jsonl").exists()
    )


def _predict(
    predictor: Predictor, source: VideoFile | LiveSource, stem: pathlib.Path, name: str, settings: Settings
) -> VideoResults:
    is_live = isinstance(source, LiveSource)
    frames = iter(source)
    first = next(frames)  # raises before anything is written
    if is_live:
        _compile(predictor, first.image, settings)
        first = next(frames, first)
        terminal.note(f"{name}: Ctrl-C ends the prediction")
    stem.parent.mkdir(parents=True, exist_ok=True)
    tracked = tracking.follow_faces(
        predictor,
        itertools.chain([first], frames),
        settings.look_every,
        1 if is_live else settings.together,
        settings.looks,
        settings.mirror,
    )
    total = None if is_live else round(source.seconds * source.rate) or None
    writer = _ResultWriter(stem, name, None if is_live else source.rate, predictor.scheme, settings)
    try:
        # Ctrl-C is the usual end of a live source.
        with contextlib.suppress(KeyboardInterrupt) if is_live else contextlib.nullcontext(), writer:
            for frame, tracks in terminal.progress(tracked, name, total):
                writer.add(frame, tracks)
    except UserError as error:
        raise UserError(f"{error}; the results up to there are in {stem.parent}") from error
    return writer.results()


def _compile(predictor: Predictor, image: np.ndarray, settings: Settings) -> None:
    """Compiles the programs for one face, so that no frame of a live source waits for them."""
    size = np.array(image.shape[1::-1])
    box = np.concatenate([size / 4, size * 3 / 4])
    predictor.find_faces(image)
    predictor(image, box[None], mirror=settings.mirror)


class _ResultWriter:
    """Context manager that writes the results frame by frame; after any exception all files are closed and valid.

    Args:
      stem: path of the results without suffix.
      name: name of the source, for `Settings.show`.
      rate: frames per second of the annotated video; None writes none.
      scheme: scheme of the landmarks.
      settings: settings of the prediction.
    """

    def __init__(self, stem: pathlib.Path, name: str, rate: float | None, scheme: Scheme, settings: Settings):
        self._landmarks_file = stem.with_name(f"{stem.name}.jsonl")
        self._video_file = None if rate is None else stem.with_name(f"{stem.name}_landmarks.mp4")
        self._name, self._rate, self._scheme, self._settings = name, rate, scheme, settings
        self._frames = self._faces = self._tracks = 0
        self._smoothed: dict[int, Smoothed] = {}
        self._video: video_files.VideoWriter | None = None

    def __enter__(self) -> Self:
        self._files = contextlib.ExitStack()
        self._lines = self._files.enter_context(
            self._landmarks_file.open("w", buffering=1, encoding="utf-8")
        )  # a line at a time
        return self

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def add(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Writes and shows a frame with its tracks."""
        landmarks = self._landmarks(frame, tracks)
        self._lines.write(_line(frame, tracks, landmarks) + "\n")
        if self._video_file is not None or self._settings.show is not None:
            self._add_image(_annotated(frame.image, tracks, landmarks, self._scheme), frame.time, len(tracks))
        self._frames, self._faces = self._frames + 1, self._faces + len(tracks)
        self._tracks = max([self._tracks, *(track.number + 1 for track in tracks)])

    def results(self) -> VideoResults:
        """Returns the paths and numbers of what was written."""
        return VideoResults(self._landmarks_file, self._video_file, self._frames, self._faces, self._tracks)

    def _landmarks(self, frame: Frame, tracks: Sequence[Track]) -> dict[int, np.ndarray]:
        """Returns the landmarks of each track by its number, smoothed if the settings demand it."""
        landmarks = {track.number: track.face.landmarks for track in tracks}
        if self._settings.smooth is None:
            return landmarks
        self._smoothed = {
            number: one_euro.smooth(self._settings.smooth, self._smoothed.get(number), points, frame.time)
            for number, points in landmarks.items()
        }
        return {number: state.landmarks for number, state in self._smoothed.items()}

    def _add_image(self, image: np.ndarray, time: float, faces: int) -> None:
        if self._video_file is not None:
            if self._video is None:
                self._video = video_files.VideoWriter(self._video_file, self._rate, image.shape[1::-1])
                self._files.enter_context(contextlib.closing(self._video))
            self._video.write(image, time)
        if self._settings.show is not None:
            self._settings.show(self._name, image, faces)


def _line(frame: Frame, tracks: Sequence[Track], landmarks: Mapping[int, np.ndarray]) -> str:
    """Returns a frame's line of NAME.jsonl."""
    faces = []
    for track in tracks:
        points = landmarks[track.number]
        faces.append(
            {
                "track": track.number,
                "box": np.round(geometry.box_of_points(points), 3).tolist(),
                "score": result_files.rounded(track.score),
                "landmarks": np.round(points, 3).tolist(),
                "confidence": result_files.rounded(track.face.confidence),
                "doubtful": track.face.doubtful,
            }
        )
    return json.dumps({"frame": frame.number, "time": round(frame.time, 6), "faces": faces})


def _annotated(
    image: np.ndarray, tracks: Sequence[Track], landmarks: Mapping[int, np.ndarray], scheme: Scheme
) -> np.ndarray:
    """Returns a copy of the frame with the landmarks of its faces and the number of each track."""
    drawn = image.copy()
    for track in tracks:
        text = f"{track.number} doubtful" if track.face.doubtful else str(track.number)
        drawing.draw_face(drawn, landmarks[track.number], scheme, text, track.face.doubtful)
    return drawn
