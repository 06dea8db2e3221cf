"""The refinement pass: which faces the network looks at again, and what the landmarks of both looks make together."""

import dataclasses

import numpy as np

from dsat_jax import geometry
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.landmarks import Face

# Chosen on training and validation faces of 300W and on infants, with the shipped networks: the error is not larger
# than with a second look at every face and its landmarks alone.
_SAME_CROP = 0.07  # `change` below which there is no second look; about half of the faces in MTCNN's boxes
_AGREEMENT = 0.01  # mean distance of the landmarks of two looks, in sizes of the box, below which both count
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # pixels of a crop whose size is 2


def is_needed(crop: FaceCrop, closer: FaceCrop) -> bool:
    """Returns whether a second look shows more than the first.

    Args:
      crop: crop of the first look.
      closer: crop of the second look, see `face_crops.refined`.
    """
    return change(crop, closer) >= _SAME_CROP


def change(crop: FaceCrop, closer: FaceCrop) -> float:
    """Returns the largest distance between the same corners of two crops of an image, in sides of the second.

    Both crops are squares without margin, see `geometry.crop_matrix`.
    """
    to_crop, to_closer = (geometry.crop_matrix(each.box, 2, 0.0, each.roll) for each in (crop, closer))
    corners = geometry.transform_points(geometry.compose(to_closer, geometry.invert(to_crop)), _CORNERS)
    return float(np.linalg.norm(corners - _CORNERS, axis=-1).max())


def merged(first: Face, second: Face) -> Face:
    """Returns a face after two looks: its landmarks are those of the second, or the mean of both if they agree.

    Args:
      first: face of the first look, whose box and roll are kept.
      second: face of the second look, whose box is around the landmarks of the first.
    """
    landmarks = second.landmarks
    size = np.sqrt((second.box[2:] - second.box[:2]).prod())
    if np.linalg.norm(landmarks - first.landmarks, axis=-1).mean() < _AGREEMENT * size:
        landmarks = (first.landmarks + landmarks) / 2
    return dataclasses.replace(second, landmarks=landmarks, box=first.box, roll=first.roll)
