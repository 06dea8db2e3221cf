"""The crops that the network sees: in the boxes of a detector, and in the boxes around predicted landmarks."""

import dataclasses

import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.landmarks import Face


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
    rolls = np.zeros(count) if detections.rolls is None else detections.rolls
    scores = [None] * count if detections.scores is None else [float(score) for score in detections.scores]
    boxes = np.asarray(detections.boxes, np.float64)
    return [
        FaceCrop(image, box, float(roll), score)
        for box, roll, score in zip(boxes, rolls, scores, strict=True)
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
