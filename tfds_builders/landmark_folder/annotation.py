"""The points of one face, and where they stand."""

import dataclasses
from collections.abc import Callable

import numpy as np

from dsat_jax.records import DamagedRecord


@dataclasses.dataclass(frozen=True)
class Face:
    """The points of one face.

    Attributes:
      landmarks: float64 [points, 2], the numbers as they stand in the file.
      visibility: uint8 [points] of faces.UNKNOWN, VISIBLE, OCCLUDED.
      box: float64 [4] x_min, y_min, x_max, y_max as they stand in the file, or None.
    """

    landmarks: np.ndarray
    visibility: np.ndarray
    box: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Annotation:
    """Where the points of one face are.

    Attributes:
      picture: as the annotation calls it: a path, whole or its end; empty if it names none.
      source: file, and line or entry, for messages.
      read: gives the face.

    `read` raises DamagedRecord if the face is not what its form demands.
    """

    picture: str
    source: str
    read: Callable[[], Face]


def refuse(reason: str) -> Face:
    """Reads a face that is known to be damaged: raises DamagedRecord for the reason."""
    raise DamagedRecord(reason)
