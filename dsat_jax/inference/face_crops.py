"""The crops that the network sees, in the boxes of a detector or around predicted landmarks, and their batches."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.landmarks import Face

FACES_AT_ONCE = 8  # largest batch of the network
# Limits for the images that wait until their faces fill a batch.
_IMAGES_AT_ONCE = 16
_BYTES_AT_ONCE = 2**28


@dataclasses.dataclass(frozen=True)
class FaceCrop:
    """The part of an image that the network sees of a face.

    Attributes:
      image: uint8 [height, width, 3] RGB.
      box: float64 [4] x_min, y_min, x_max, y_max in image pixels, turned by `roll` about its centre.
      roll: angle in radians, clockwise in the image; the face is upright in the crop.
      score: score of the detection; None for a given box, or a detector without scores.
    """

    image: np.ndarray
    box: np.ndarray
    roll: float = 0.0
    score: float | None = None


def of_detections(image: np.ndarray, detections: Detections) -> list[FaceCrop]:
    """Returns a crop for each detection in an image."""
    count = len(detections)
    scores = [None] * count if detections.scores is None else [float(score) for score in detections.scores]
    return [
        FaceCrop(image, box, float(roll), score)
        for box, roll, score in zip(detections.boxes, detections.angles, scores, strict=True)
    ]


def refined(crop: FaceCrop, face: Face) -> FaceCrop:
    """Returns the crop around a face's landmarks, in which it is upright.

    Args:
      crop: the crop in which the landmarks were predicted; it is returned if they have collapsed to a line.
      face: the predicted face.
    """
    points = five_points.of_landmarks(face.landmarks, face.scheme)
    roll = 0.0 if points is None else five_points.roll_of(points)
    box = geometry.rolled_box(face.landmarks, roll)
    return dataclasses.replace(crop, box=box, roll=roll) if (box[2:] - box[:2] > 1).all() else crop


def groups(
    pairs: Iterable[tuple[np.ndarray, Detections]],
) -> Iterator[list[tuple[np.ndarray, Detections]]]:
    """Yields groups of images whose faces fill a batch.

    Args:
      pairs: pixels uint8 [height, width, 3] RGB and detections of each image; an exception of the iterable is raised
        after the group of the images before it.
    """
    waiting: list[tuple[np.ndarray, Detections]] = []
    faces = held = 0
    try:
        for image, detections in pairs:
            waiting.append((image, detections))
            faces += len(detections)
            held += image.nbytes
            if not 0 < faces < FACES_AT_ONCE or held > _BYTES_AT_ONCE or len(waiting) >= _IMAGES_AT_ONCE:
                yield waiting
                waiting, faces, held = [], 0, 0
    except Exception:  # of the iterables that a caller gives
        yield waiting
        raise
    yield waiting


def batch_size(faces: int, devices: int = 1) -> int:
    """Returns the size of the batch for some faces: a power of two, so that few programs are compiled."""
    power = 1 << (faces - 1).bit_length()
    return -(-power // devices) * devices
