"""Correspondence of landmarks between schemes: evaluation across datasets, and training on several of them."""

from typing import TypeVar

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.schemes.scheme import Part, Scheme, run

Array = TypeVar("Array")  # NumPy or JAX array

# The landmark of the source for each landmark of the target.
#
# Corners of eyes and mouth, outer ends of the brows, tip and bottom of the nose, middle of the lips, and chin are the
# same positions in all three schemes. The others have no exact counterpart: the schemes define them as equal steps
# along a line, but the lines have different ends and different numbers of steps. The numbers are those of 300W:
# - contour 0-7 and 9-16: every second point; the start of the contour at the ears is the annotator's choice;
# - brows 18-25: the upper edge of the brow, while 300W has one row of points;
# - nose bridge 27-29; lower nose 31, 32, 34 and 35;
# - eyelids 37, 38, 40, 41, 43, 44, 46, 47: a quarter and three quarters of the lid, while 300W divides it in thirds;
# - lips between corners and middle.
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
    # The lower nose is without the wings 57 and 63, which are higher than the outer ends 31 and 35 of 300W's line.
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
    """Returns whether the source has every landmark of the target."""
    return bool((correspondence(source, target) >= 0).all())


def correspondence(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns the landmark of the source for each landmark of the target, int32 [target points]; -1 where it has none.

    Between two schemes of datasets, the table `CONVERSIONS` is used if it has them, and otherwise `same_in_w300` of
    both. Labels of a dataset give only the landmarks of their own part of a joint scheme, and those that it shares with
    other parts.
    """
    indices = np.full(target.num_points, -1, np.int32)
    pairs = [(own, other) for own in parts_of(target) for other in parts_of(source)]
    equal = [(own, other) for own, other in pairs if own.scheme == other.scheme]
    for own, other in equal or pairs:
        found = _between(other.scheme, own.scheme)
        in_target = np.array(own.points)
        fills = (found >= 0) & (indices[in_target] < 0)
        indices[in_target[fills]] = np.array(other.points)[found[fills]]
    return indices


def parts_of(scheme: Scheme) -> tuple[Part, ...]:
    """Returns the parts of a joint scheme; the scheme of a dataset is its only part."""
    return scheme.parts or (Part(scheme, tuple(range(scheme.num_points))),)


def in_w300(scheme: Scheme) -> dict[int, int]:
    """Returns the landmark of `w300_68` at the position of each landmark of a scheme that has one there."""
    if scheme.name == "w300_68":
        return {i: i for i in range(scheme.num_points)}
    return dict(scheme.same_in_w300)


def _between(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns `correspondence` for two schemes of datasets."""
    if source == target:
        return np.arange(source.num_points, dtype=np.int32)
    if (source.name, target.name) in CONVERSIONS:
        return np.array(CONVERSIONS[source.name, target.name], np.int32)
    of_source = {common: own for own, common in in_w300(source).items()}
    common = in_w300(target)
    return np.array([of_source.get(common.get(i, -1), -1) for i in range(target.num_points)], np.int32)


def conversion_indices(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns the landmark of the source for each landmark of the target, int32 [target points].

    Raises:
      UserError: if the source lacks a landmark of the target.
    """
    indices = correspondence(source, target)
    found = int((indices >= 0).sum())
    if found < len(indices):
        known = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise UserError(
            f"landmarks of {source.name} cannot be converted to {target.name}; it has {found} of the {len(indices)} "
            f"landmarks; known conversions: {known}"
        )
    return indices


def convert(points: Array, source: Scheme, target: Scheme) -> Array:
    """Converts landmarks from one scheme to another.

    Args:
      points: landmarks [..., source points, 2], a NumPy or JAX array.
      source: scheme of the landmarks.
      target: scheme of the result, whose landmarks the source must have.

    Returns:
      Landmarks [..., target points, 2].

    Raises:
      UserError: if the source cannot be converted to the target.
    """
    return points[..., conversion_indices(source, target), :]
