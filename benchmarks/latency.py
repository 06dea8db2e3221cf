"""Time of a prediction: faces in given boxes, the face detector, and videos.

python -m benchmarks.latency NETWORK

Prints medians over rounds in which all settings take turns: milliseconds for an image of 1 and of 8 faces with one look
and with a second one, with and without mirror averaging; milliseconds of the detector; and frames per second of videos
of 640 x 480 px with 1 and with 5 faces, decoding and tracking included. The faces are copies of examples/astronaut.jpg.
Their boxes are a fifth too large, so that none does without the second look.
"""

import argparse
import contextlib
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from dsat_jax import Predictor
from dsat_jax.inference import tracking
from dsat_jax.inference.image_input import read_image
from dsat_jax.inference.video_files import VideoFile, VideoWriter
from dsat_jax.weights import zoo

PHOTOGRAPH = pathlib.Path(__file__).parents[1] / "examples" / "astronaut.jpg"
_ROUNDS = 25
_FRAMES = 200
_SIZE = (640, 480)


def in_turn(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Returns the median milliseconds of each call; every round calls each once, and the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if number:
                times[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def image_calls(predictor: Predictor, image: np.ndarray) -> dict[str, Callable[[], object]]:
    """Returns the calls on an image of one face, by their description."""
    (face,) = predictor(image)
    calls: dict[str, Callable[[], object]] = {"detector": lambda: predictor.find_faces(image)}
    for faces in (1, 8):
        boxes = _grown(face.bounds) + 2 * np.arange(faces)[:, None]  # each a little elsewhere
        for looks in (1, 2):
            for mirror in (False, True):
                name = f"{faces} face{'s' if faces > 1 else ''}, looks={looks}, mirror={mirror}"
                calls[name] = lambda boxes=boxes, looks=looks, mirror=mirror: predictor(
                    image, boxes, looks, mirror
                )
    return calls


def _grown(box: np.ndarray) -> np.ndarray:
    """Returns a box with sides that are a fifth longer."""
    margin = 0.1 * (box[2:] - box[:2])
    return box + np.concatenate([-margin, margin])


def write_video(path: pathlib.Path, photograph: np.ndarray, faces: int, frames: int) -> None:
    """Writes a video in which copies of a photograph move on circles."""
    side = 400 if faces == 1 else 200
    copy = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA)
    places = [(120, 40)] if faces == 1 else [(10 + 210 * (i % 3), 20 + 230 * (i // 3)) for i in range(faces)]
    with contextlib.closing(VideoWriter(path, 25.0, _SIZE)) as video:
        for number in range(frames):
            frame = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
            for place, (x, y) in enumerate(places):
                angle = number / 15 + place
                left, top = x + round(8 * np.sin(angle)), y + round(8 * np.cos(angle))
                frame[top : top + side, left : left + side] = copy
            video.write(frame)


def frames_per_second(predictor: Predictor, video: pathlib.Path, faces: int) -> float:
    """Returns the rate at which the faces of a video are tracked.

    Raises:
      RuntimeError: if not every face is tracked in every frame: the rate would be that of fewer faces.
    """
    with contextlib.closing(VideoFile(video)) as source:
        started = time.perf_counter()
        counts = [len(tracks) for _, tracks in tracking.follow_faces(predictor, source)]
        seconds = time.perf_counter() - started
    if set(counts) != {faces}:
        raise RuntimeError(f"found {min(counts)} to {max(counts)} faces in a frame, expected {faces}")
    return len(counts) / seconds


def main(arguments: Sequence[str] | None = None, rounds: int = _ROUNDS, frames: int = _FRAMES) -> None:
    """Prints the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name of a shipped network, weights file, or run folder")
    network = parser.parse_args(arguments).network
    predictor, image = Predictor.from_run(zoo.find(network)), read_image(PHOTOGRAPH)
    for name, milliseconds in in_turn(image_calls(predictor, image), rounds).items():
        print(f"{name}: {milliseconds:.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        for faces in (1, 5):
            video = pathlib.Path(folder) / f"{faces}.mp4"
            write_video(video, image, faces, frames)
            frames_per_second(predictor, video, faces)  # compiles
            rate = statistics.median(frames_per_second(predictor, video, faces) for _ in range(3))
            print(f"video, {faces} face{'s' if faces > 1 else ''}: {rate:.0f} frames/s")


if __name__ == "__main__":
    main()
