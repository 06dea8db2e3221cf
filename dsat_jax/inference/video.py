"""Prediction of videos: an annotated video and the landmarks of every frame."""

import contextlib
import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import tqdm

from dsat_jax import drawing, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import one_euro, result_files, tracking, video_files
from dsat_jax.inference.one_euro import OneEuro, Smoothed
from dsat_jax.inference.predictor import Predictor
from dsat_jax.inference.tracking import Track
from dsat_jax.inference.video_files import Frame
from dsat_jax.schemes import Scheme


@dataclasses.dataclass(frozen=True)
class VideoResults:
    """Results of a video.

    Attributes:
      landmarks: path of NAME.jsonl, which has a line for each frame.
      video: path of NAME_landmarks.mp4.
      frames: number of frames.
      faces: number of faces, summed over the frames.
      tracks: number of different tracks.
    """

    landmarks: pathlib.Path
    video: pathlib.Path
    frames: int
    faces: int
    tracks: int


def predict_video(
    predictor: Predictor,
    file: pathlib.Path,
    out: pathlib.Path,
    smooth: OneEuro | None = None,
    look_every: int = tracking.LOOK_EVERY,
    together: int = tracking.TOGETHER,
    looks: int = tracking.LOOKS,
    mirror: bool = tracking.MIRROR,
) -> VideoResults:
    """Tracks the faces of a video and writes NAME.jsonl, one line per frame, and NAME_landmarks.mp4, without sound.

    A line is {"frame": number from 0, "time": seconds, "faces": [{"track": number, "box": [x_min, y_min, x_max, y_max]
    around the landmarks, "landmarks": [[x, y], ...], "confidence": [...] or null}, ...]}. Coordinates are
    pixels of the upright video, as players show it. Smoothing changes the landmarks and the box, not the tracking.

    Args:
      predictor: predictor of the landmarks.
      file: video file.
      out: folder of the results, different from that of the video.
      smooth: settings of the One-Euro filter; None disables it.
      look_every: number of frames after which the detector searches for new faces.
      together: number of frames in a batch of the network; all use the boxes of the frame before the batch.
      looks: number of runs of the network on a tracked face, see `tracking.follow_faces`.
      mirror: whether to average a tracked face with its mirror image.

    Raises:
      OSError: if the file cannot be read, or the results cannot be written.
      UserError: if the file is not a video, or ends early; the results of the frames before the end are kept.
    """
    file, out = pathlib.Path(file), pathlib.Path(out)
    result_files.check_folder(out)
    [stem] = result_files.output_stems([file], out, result_files.common_folder([file]))
    with contextlib.closing(video_files.VideoFile(file)) as source:
        frames = iter(source)
        first = next(frames)  # raises before anything is written
        stem.parent.mkdir(parents=True, exist_ok=True)
        tracked = tracking.follow_faces(
            predictor, itertools.chain([first], frames), look_every, together, looks, mirror
        )
        shown = tqdm.tqdm(tracked, file.name, round(source.seconds * source.rate) or None, unit="frame")
        try:
            return _write_results(shown, stem, source.rate, smooth, predictor.scheme)
        except UserError as error:
            raise UserError(f"{error}; the results up to there are in {stem.parent}") from error


def _write_results(
    tracked: Iterable[tuple[Frame, list[Track]]],
    stem: pathlib.Path,
    rate: float,
    smooth: OneEuro | None,
    scheme: Scheme,
) -> VideoResults:
    """Writes the results frame by frame; after any exception both files are closed and valid."""
    landmarks_file = stem.with_name(f"{stem.name}.jsonl")
    video_file = stem.with_name(f"{stem.name}_landmarks.mp4")
    frames = faces = tracks = 0
    smoothed: dict[int, Smoothed] = {}
    with contextlib.ExitStack() as files:
        lines = files.enter_context(landmarks_file.open("w", buffering=1))  # flushed after each line
        video = None
        for frame, current in tracked:
            if video is None:
                size = frame.image.shape[1::-1]
                video = files.enter_context(
                    contextlib.closing(video_files.VideoWriter(video_file, rate, size))
                )
            landmarks = {track.number: track.face.landmarks for track in current}
            if smooth is not None:
                smoothed = {
                    number: one_euro.smooth(smooth, smoothed.get(number), points, frame.time)
                    for number, points in landmarks.items()
                }
                landmarks = {number: state.landmarks for number, state in smoothed.items()}
            lines.write(_line(frame, current, landmarks) + "\n")
            video.write(_annotated(frame.image, landmarks, scheme))
            frames, faces = frames + 1, faces + len(current)
            tracks = max([tracks, *(track.number + 1 for track in current)])
    return VideoResults(landmarks_file, video_file, frames, faces, tracks)


def _line(frame: Frame, tracks: Sequence[Track], landmarks: Mapping[int, np.ndarray]) -> str:
    """Returns a frame's line of NAME.jsonl."""
    faces = []
    for track in tracks:
        points = landmarks[track.number]
        faces.append(
            {
                "track": track.number,
                "box": np.round(geometry.box_of_points(points), 3).tolist(),
                "landmarks": np.round(points, 3).tolist(),
                "confidence": result_files.rounded(track.face.confidence),
            }
        )
    return json.dumps({"frame": frame.number, "time": round(frame.time, 6), "faces": faces})


def _annotated(image: np.ndarray, landmarks: Mapping[int, np.ndarray], scheme: Scheme) -> np.ndarray:
    """Returns a copy of the frame with the landmarks of its faces and the number of each track."""
    drawn = image.copy()
    for number, points in landmarks.items():
        x_min, y_min, x_max, y_max = geometry.box_of_points(points)
        extent = min(max(x_max - x_min, y_max - y_min), max(image.shape))
        thickness = max(1, round(extent / 200))
        drawing.draw_landmarks(drawn, points, scheme, drawing.PREDICTED, thickness)
        corner = (max(round(x_min), 0), max(round(y_min - 0.05 * extent), 12))
        cv2.putText(
            drawn,
            str(number),
            corner,
            cv2.FONT_HERSHEY_SIMPLEX,
            extent / 250,
            drawing.PREDICTED,
            thickness,
            cv2.LINE_AA,
        )
    return drawn
