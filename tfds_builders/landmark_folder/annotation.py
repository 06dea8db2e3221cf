"""The points of one face, and a reference to them that is read later."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from dsat_jax.records import DamagedRecord


@dataclasses.dataclass(frozen=True)
class Face:
    """The points of one face.

    Attributes:
      landmarks: float64 [points, 2], the unchanged numbers of the file.
      visibility: uint8 [points], records.UNKNOWN, VISIBLE or OCCLUDED.
      box: float64 [4] x_min, y_min, x_max, y_max, the unchanged numbers of the file; None without a box.
      names: name of each point, whose order is that of the file; None if the points are in the order of the scheme.
      unit: key of `options.UNITS` if the form fixes the unit of its numbers; None if the folder states it.
    """

    landmarks: np.ndarray
    visibility: np.ndarray
    box: np.ndarray | None = None
    names: Sequence[str] | None = None
    unit: str | None = None


@dataclasses.dataclass(frozen=True)
class Annotation:
    """A reference to the points of one face.

    Attributes:
      picture: path of the image as the annotation gives it, whole or its end; empty if it names none.
      source: file, and line or entry, for messages.
      read: function that returns the face, or raises DamagedRecord if it is not in the expected form.
      named: whether the points of the face have names, see `point_names.in_order`.
      other_name: name of the image if none has the name of `picture`; empty without one.
    """

    picture: str
    source: str
    read: Callable[[], Face]
    named: bool = False
    other_name: str = ""


def refuse(reason: str) -> Face:
    """Raises DamagedRecord with a reason; the `read` of a face that is known to be damaged."""
    raise DamagedRecord(reason)
