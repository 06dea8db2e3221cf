"""The arrays of a network that belong to single landmarks: their rows for the landmarks of another scheme."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dsat_jax import schemes
from dsat_jax.schemes import Scheme, parts_of

# Axis of the landmarks, and after them of the boundaries, by the name of the array.
AXES = {"params/head_conv/kernel": -1, "params/queries": 0}


def rows(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns the row of a source network for each landmark and boundary of the target, int32; -1 where it has none."""
    boundaries = [_boundaries(source, part.scheme) for part in parts_of(target)]
    return np.concatenate([schemes.correspondence(source, target), *boundaries])


def _boundaries(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns the row of a source network for each boundary of the scheme of a dataset; -1 where it has none."""
    count, first, found = len(target.boundaries), source.num_points, {}
    for part in parts_of(source):
        # All schemes that can be converted have the boundaries of `BOUNDARY_NAMES`.
        if len(part.scheme.boundaries) == count and schemes.can_convert(part.scheme, target):
            found.setdefault(part.scheme == target, np.arange(first, first + count, dtype=np.int32))
        first += len(part.scheme.boundaries)
    return found.get(True, found.get(False, np.full(count, -1, np.int32)))


def chosen(array: Any, axis: int, indices: np.ndarray) -> Any:
    """Returns the rows of an array, along the axis of the landmarks; the array may lack those of the boundaries."""
    return jnp.take(array, indices[indices < array.shape[axis]], axis=axis)


def moved(old: np.ndarray, new: np.ndarray, axis: int, indices: np.ndarray) -> np.ndarray:
    """Returns an array of `AXES` for another scheme.

    Args:
      old: array of the trained network.
      new: array of the new network, which keeps the rows that the trained network does not have.
      axis: axis of the landmarks in both; their other axes are equal.
      indices: row of the trained network for each row of the new one, from `rows`.
    """
    old, new = (np.moveaxis(array, axis, 0) for array in (old, new))
    found = indices[: len(new)]  # without boundaries, if the new network has none
    known = (found >= 0) & (found < len(old))
    rows_known = known.reshape(-1, *(1,) * (new.ndim - 1))
    return np.moveaxis(np.where(rows_known, old[np.where(known, found, 0)], new), 0, axis)
