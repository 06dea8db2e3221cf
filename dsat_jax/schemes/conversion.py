"""From the landmarks of one scheme to those of another, for evaluation across datasets."""

from typing import TypeVar

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.schemes.scheme import Scheme, run

Array = TypeVar("Array")  # of NumPy or JAX

# For each landmark of the target, the landmark of the source that stands for it.
#
# Corners of eyes and mouth, outer ends of the brows, tip and bottom of the nose, middle of the lips and chin are the
# same places in all three schemes. The others have no exact counterpart, as no scheme defines them by more than "equal
# steps along a line", and the lines begin, end and are divided differently:
# - contour 0-7 and 9-16: every second point; where the contour begins at the ears is the annotator's choice;
# - brows 18-25: the upper edge of the brow, where 300W has one row of points;
# - nose bridge 27-29; lower nose 31, 32, 34 and 35;
# - eyelids 37, 38, 40, 41, 43, 44, 46, 47: a quarter and three quarters of the lid, where 300W has thirds;
# - lips between their corners and middle.
CONVERSIONS = {
    ("wflw_98", "w300_68"): (
        *range(0, 33, 2),
        *run(33, 37),
        *run(42, 46),
        *run(51, 54),
        *run(55, 59),
        *(60, 61, 63, 64, 65, 67),
        *(68, 69, 71, 72, 73, 75),
        *run(76, 87),
        *run(88, 95),
    ),
    # The lower nose leaves out the wings 57 and 63: they lie higher than the outer ends 31 and 35 of 300W's line.
    ("jd_106", "w300_68"): (
        *range(0, 33, 2),
        *run(33, 37),
        *run(42, 46),
        *run(51, 54),
        *run(58, 62),
        *(66, 67, 69, 70, 71, 73),
        *(75, 76, 78, 79, 80, 82),
        *run(84, 95),
        *run(96, 103),
    ),
}


def can_convert(source: Scheme, target: Scheme) -> bool:
    """Whether landmarks of the source can be converted to the target."""
    return source == target or (source.name, target.name) in CONVERSIONS


def conversion_indices(source: Scheme, target: Scheme) -> np.ndarray:
    """int32 [target points]; for each landmark of the target, the landmark of the source that stands for it.

    Raises:
      ValueError: if the source cannot be converted to the target.
    """
    if source == target:
        return np.arange(source.num_points, dtype=np.int32)
    if not can_convert(source, target):
        known = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise UserError(f"landmarks of {source.name} cannot be converted to {target.name}; there are {known}")
    return np.array(CONVERSIONS[source.name, target.name], np.int32)


def convert(points: Array, source: Scheme, target: Scheme) -> Array:
    """Landmarks of one scheme as landmarks of another.

    Args:
      points: [..., source points, 2], NumPy or JAX.
      source: scheme of the points.
      target: scheme of the result; one that `CONVERSIONS` leads to from the source, or the source itself.

    Returns:
      [..., target points, 2].

    Raises:
      ValueError: if the source cannot be converted to the target.
    """
    return points[..., conversion_indices(source, target), :]
