"""Annotated faces, errors of the systems on them, and their times, for `benchmarks.peers`."""

import contextlib
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import peers_process
from benchmarks.peers_process import System, SystemProcess
from dsat_jax import geometry, metrics
from dsat_jax.errors import UserError
from dsat_jax.schemes import W300_68
from tfds_builders import pts

LEAST_OVERLAP = 0.3  # intersection over union of the boxes around predicted landmarks and labels
THRESHOLD = 0.08  # NME of a failure
PARTS = {"68": 0, "51": 17}  # first landmark of each part: all landmarks, and those without the jaw
SETTINGS = {"find": "own detector", "align": "given boxes"}
IMAGE_SUFFIXES = (".jpg", ".png")

Times = Mapping[str, Sequence[float] | None]


class Annotated(NamedTuple):
    """An image and the labels of one of its faces.

    Attributes:
      image: file of the image.
      landmarks: float64 [68, 2], pixels of the image.
    """

    image: pathlib.Path
    landmarks: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """Box [4] of the landmarks."""
        return geometry.box_of_points(self.landmarks)


def read_folder(folder: pathlib.Path) -> list[Annotated]:
    """Returns the annotated faces of a folder in the layout of 300W: NAME.pts next to NAME.jpg or NAME.png.

    Raises:
      OSError: if a file cannot be read.
      UserError: if the folder has no .pts file, one has no image, or one does not hold 68 landmarks.
    """
    annotated = []
    for file in sorted(folder.glob("*.pts")):
        images = [image for suffix in IMAGE_SUFFIXES if (image := file.with_suffix(suffix)).is_file()]
        if not images:
            raise UserError(f"{file}: found no image of this name, expected {' or '.join(IMAGE_SUFFIXES)}")
        landmarks = pts.parse_pts(file.read_bytes(), str(file), W300_68.num_points)
        annotated.append(Annotated(images[0], landmarks - 1))  # the files count pixels from 1
    if not annotated:
        raise UserError(f"{folder}: found no .pts file, expected NAME.pts next to NAME.jpg or NAME.png")
    return annotated


def matched(faces: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the face that belongs to the labels: the one with the largest overlap of the boxes around landmarks.

    Args:
      faces: predicted landmarks [faces, 68, 2] in pixels.
      labels: labels [68, 2] in pixels.

    Returns:
      float64 [68, 2]; NaN if the face is missed, which means that no overlap reaches `LEAST_OVERLAP`.
    """
    boxes = geometry.box_of_points(faces) if len(faces) else np.empty((0, 4))
    overlaps = geometry.box_overlaps(boxes, geometry.box_of_points(labels)[None])[:, 0]
    if not (overlaps >= LEAST_OVERLAP).any():
        return np.full(labels.shape, np.nan)
    return faces[overlaps.argmax()]


def predict(process: SystemProcess, task: str, annotated: Sequence[Annotated]) -> np.ndarray:
    """Returns the predictions of a system for annotated faces, float64 [faces, 68, 2]; NaN for missed faces.

    Args:
      process: the system.
      task: 'find' for its own detector, 'align' for the boxes of the labels.
      annotated: annotated faces.
    """
    points = []
    for image, labels in annotated:
        box = None if task == "find" else geometry.box_of_points(labels)
        faces = np.array(process.ask(task, image, box)["faces"], np.float64)
        points.append(matched(faces.reshape(-1, *labels.shape), labels))
    return np.array(points)


def face_nme(predicted: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the inter-ocular NME of each face over each of `PARTS`, [faces]; infinite for missed faces.

    Args:
      predicted: result of `predict`.
      labels: labels [faces, 68, 2] in pixels.
    """
    errors = metrics.point_errors(predicted, labels, metrics.inter_ocular(labels, np.empty(0), W300_68))
    return {part: errors[:, first:].mean(axis=1) for part, first in PARTS.items()}


def summarise(errors: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, float | None]]:
    """Returns the figures of each system in one setting.

    Args:
      errors: result of `face_nme` for each system, over the same faces.

    Returns:
      For each system: 'missed', a number of faces; 'nme_68', 'nme_51' and 'median_68' over the faces that it finds;
      'common_68' and 'common_51' over those that all systems find; and 'fr_51', the share of faces whose NME is above
      `THRESHOLD`, missed faces included. NME and shares are in percent, None without faces.
    """
    common = np.all([np.isfinite(nme["68"]) for nme in errors.values()], axis=0)
    figures = {}
    for name, nme in errors.items():
        found = np.isfinite(nme["68"])
        figures[name] = {
            "missed": int((~found).sum()),
            "nme_68": _percent(np.mean, nme["68"][found]),
            "nme_51": _percent(np.mean, nme["51"][found]),
            "median_68": _percent(np.median, nme["68"][found]),
            "common_68": _percent(np.mean, nme["68"][common]),
            "common_51": _percent(np.mean, nme["51"][common]),
            "fr_51": _percent(np.mean, nme["51"] > THRESHOLD),
        }
    return figures


def _percent(statistic: Callable[[np.ndarray], float], values: np.ndarray) -> float | None:
    return 100 * float(statistic(values)) if len(values) else None


def call_times(systems: Sequence[System], annotated: Sequence[Annotated], rounds: int) -> dict[str, Times]:
    """Measures detector and landmarks of each system; each round runs every system once, after a warm-up round.

    Args:
      systems: systems to measure.
      annotated: annotated faces; the landmarks are computed in the boxes of the labels, one face at a time.
      rounds: number of rounds.

    Returns:
      For each system, `detector` and `landmarks`: [wall, processor] milliseconds per call, the medians over rounds of
      the means over images; None if the system finds no face.
    """
    means: dict[str, dict[str, list[np.ndarray]]] = {
        system.name: {"detector": [], "landmarks": []} for system in systems
    }
    with contextlib.ExitStack() as stack:
        processes = {system.name: stack.enter_context(peers_process.start(system)) for system in systems}
        for number in range(rounds + 1):
            for name, process in processes.items():
                answers = [process.ask("times", each.image, each.box) for each in annotated]
                for part, values in means[name].items():
                    calls = [answer[part] for answer in answers if answer[part] is not None]
                    if number > 0 and calls:
                        values.append(np.mean(calls, axis=0))
    return {
        name: {part: np.median(values, axis=0).tolist() if values else None for part, values in parts.items()}
        for name, parts in means.items()
    }


def cold_starts(
    systems: Sequence[System], image: pathlib.Path, rounds: int
) -> dict[str, dict[str, float | None]]:
    """Measures new processes of each system; each round starts every system once.

    Args:
      systems: systems to measure.
      image: image with a face that each system finds.
      rounds: number of rounds.

    Returns:
      For each system the medians of `seconds`, the time from the start of its process to the landmarks of the image,
      and `peak_mib`, the peak memory of the process, None where `peers_server` cannot measure it.

    Raises:
      UserError: if a system finds no face.
    """
    seconds: dict[str, list[float]] = {system.name: [] for system in systems}
    memory: dict[str, list[float]] = {system.name: [] for system in systems}
    for _ in range(rounds):
        for system in systems:
            started = time.perf_counter()
            with peers_process.start(system) as process:
                answer = process.ask("find", image)
                seconds[system.name].append(time.perf_counter() - started)
            if not answer["faces"]:
                raise UserError(f"{system.name}: found no face in {image}, expected one for the cold start")
            memory[system.name] += [] if answer["peak_mib"] is None else [answer["peak_mib"]]
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "peak_mib": statistics.median(memory[name]) if memory[name] else None,
        }
        for name in seconds
    }
