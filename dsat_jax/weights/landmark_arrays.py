"""The arrays of a network that belong to single landmarks: their rows for the landmarks of another scheme."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from dsat_jax import schemes
from dsat_jax.schemes import Scheme
from dsat_jax.schemes.conversion import parts_of

# Axis of the landmarks, and after them of the boundaries, by the name of the array.
AXES = {"params/head_conv/kernel": -1, "params/queries": 0}


def rows(source: Scheme, target: Scheme) -> np.ndarray:
    """Returns the row of a source network for each landmark and boundary of the target, int32; -1 where it has none."""
    points, boundaries = schemes.correspondence(source, target), []
    for own in parts_of(target):
        boundaries.append(np.full(len(own.scheme.boundaries), -1, np.int32))
        first = source.num_points
        for other in parts_of(source):
            count = len(other.scheme.boundaries)
            # All schemes with boundaries that can be converted have those of `BOUNDARY_NAMES`.
            alike = other.scheme == own.scheme or schemes.can_convert(other.scheme, own.scheme)
            if alike and count == len(boundaries[-1]):
                boundaries[-1] = np.arange(first, first + count, dtype=np.int32)
            first += count
    return np.concatenate([points, *boundaries])


def chosen(array: Any, axis: int, indices: np.ndarray) -> Any:
    """Returns the rows of an array, along the axis of the landmarks; the array may lack those of the boundaries."""
    return jnp.take(array, indices[indices < array.shape[axis]], axis=axis)


def moved(trained: Mapping[str, Any], initial: Mapping[str, Any], indices: np.ndarray) -> dict[str, Any]:
    """Returns the arrays of a trained network, with those of `AXES` for another scheme.

    Args:
      trained: arrays of the trained network, by name.
      initial: arrays of the new network, by name; they keep the rows that the trained network does not have.
      indices: row of the trained network for each row of the new one, from `rows`.
    """
    result = dict(trained)
    for name, axis in AXES.items():
        if name not in trained or name not in initial:
            continue
        old, new = (np.moveaxis(np.asarray(tree[name]), axis, 0) for tree in (trained, initial))
        found = indices[: len(new)]  # without boundaries, if the new network has none
        found = np.where(found < len(old), found, -1)
        if old.shape[1:] != new.shape[1:]:
            continue
        known = (found >= 0).reshape(-1, *(1,) * (new.ndim - 1))
        result[name] = np.moveaxis(np.where(known, old[found], new), 0, axis)
    return result
