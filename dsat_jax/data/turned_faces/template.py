"""The 3-D head of `tfds_builders.synthetic_faces` as a mean and linear modes of shape and expression.

This is the only module of `turned_faces` that imports the builder. Head coordinates are those of
`tfds_builders.synthetic_faces.template`: millimetres, x to the image's right, y down, z towards the viewer.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping

import numpy as np

from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import Head, build_head, rows_at
from tfds_builders.synthetic_faces.pose import PIVOT, Pose, skin_points
from tfds_builders.synthetic_faces.surface import bumpy_skin
from tfds_builders.synthetic_faces.template import NUM_CONTOUR, Shape

__all__ = [
    "CONTOUR_ROWS",
    "CONTOUR_SIDES",
    "NUM_CONTOUR",
    "PIVOT",
    "Parts",
    "Pose",
    "head_modes",
    "mean_head",
    "rows_at",
    "skin_normals",
    "skin_points",
]

CONTOUR_ROWS = 129  # positions on the jaw line from the left temple over the chin to the right one
CONTOUR_SIDES = np.sign(np.arange(CONTOUR_ROWS) - CONTOUR_ROWS // 2 + 0.5)
CONTOUR_SIDES.flags.writeable = False
# Depth of the sides of the face, see `build_head`. Of 1, 1.25, 1.5, 1.75 and 2, this mean leaves the smallest error of
# the contour, 4.65 mm, on 115 faces of the 300W training set that are turned by more than 20 degrees.
_DEPTH, _DEPTH_STD = 1.5, 0.15
# Nodes of the skin in a row: positions are sines, 90 degrees are the edge.
_NODE_ROWS, _NODE_ANGLES = 13, np.deg2rad([4.0, 12, 28, 42, 58, 70, 81])
_NODE_ACROSS = np.sin(np.r_[-_NODE_ANGLES[::-1], _NODE_ANGLES])

_HAIR_SLOPE = 0.25  # millimetres of depth per millimetre of height above the brows

_MEAN: Mapping[str, object] = types.MappingProxyType({})
_SHAPES = tuple(field.name for field in dataclasses.fields(Shape))
# Two values of each expression, and the factor from their difference to a standard deviation in photographs.
_EXPRESSIONS = (
    ({"jaw_open": 0.0}, {"jaw_open": 0.5}, 0.7),
    ({"lips_part": 0.0}, {"lips_part": 0.5}, 0.8),
    ({"pucker": 0.0}, {"pucker": 0.5}, 0.7),
    ({"frown": 0.0}, {"frown": 0.5}, 0.6),
    ({"smile": (-0.5, 0.0)}, {"smile": (0.5, 0.0)}, 0.5),
    ({"smile": (0.0, -0.5)}, {"smile": (0.0, 0.5)}, 0.5),
    ({"brow_raise": (-0.5, 0.0)}, {"brow_raise": (0.5, 0.0)}, 0.6),
    ({"brow_raise": (0.0, -0.5)}, {"brow_raise": (0.0, 0.5)}, 0.6),
    ({"eye_open": (0.7, 1.0)}, {"eye_open": (1.2, 1.0)}, 0.7),
    ({"eye_open": (1.0, 0.7)}, {"eye_open": (1.0, 1.2)}, 0.7),
)


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of one head; also the change of these parts along a mode.

    Attributes:
      points: float64 [..., 98, 3], WFLW landmarks with the contour on the jaw line, millimetres relative to the pivot.
      contour: float64 [..., CONTOUR_ROWS, 4], a row of skin at each position of the jaw line, as `Head.rows`.
      rows: float64 [..., rows, 4], rows of skin, as `Head.rows`.
      skin: float64 [..., nodes, 3], nodes of the skin, relative to the pivot.
    """

    points: np.ndarray
    contour: np.ndarray
    rows: np.ndarray
    skin: np.ndarray

    def moved(self, modes: "Parts", coefficients: np.ndarray) -> "Parts":
        """Returns the mean plus the modes, weighted by coefficients [modes]."""
        return _combined(lambda mean, mode: mean + np.tensordot(coefficients, mode, 1), self, modes)


def _build(
    shape: Mapping[str, float] = _MEAN, expression: Mapping[str, object] = _MEAN, depth: float = _DEPTH
) -> Parts:
    return _parts(build_head(Shape(**shape), Expression(**expression), depth))


@functools.cache
def mean_head() -> Parts:
    """Returns the mean head."""
    return _build()


@functools.cache
def head_modes() -> Parts:
    """Returns the change of the head along each mode, for one standard deviation; a leading dimension of modes."""
    pairs = [(_build({name: -1.0}), _build({name: 1.0}), 0.5) for name in _SHAPES]
    pairs += [(_build(), _build(depth=_DEPTH + _DEPTH_STD), 1.0)]
    pairs += [(_build(expression=low), _build(expression=high), factor) for low, high, factor in _EXPRESSIONS]
    changes = [
        _combined(lambda low, high, factor=factor: (high - low) * factor, *pair) for *pair, factor in pairs
    ]
    return _combined(lambda *arrays: np.stack(arrays), *changes)


@functools.cache
def skin_normals() -> np.ndarray:
    """Returns the unit normals of the skin's nodes on the mean head, float64 [nodes, 3]."""
    down, across = np.gradient(mean_head().skin.reshape(_NODE_ROWS, -1, 3), axis=(0, 1))
    normals = np.cross(across, down).reshape(-1, 3)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def _combined(function: Callable[..., np.ndarray], *parts: Parts) -> Parts:
    """Returns the results of a function of the same field of all parts."""
    return Parts(
        *(function(*(getattr(part, field.name) for part in parts)) for field in dataclasses.fields(Parts))
    )


def _parts(head: Head) -> Parts:
    jaw = head.points[:NUM_CONTOUR]
    middle = rows_at(head.rows, jaw[:, 1])[:, 3]
    middle[NUM_CONTOUR // 2] = jaw[NUM_CONTOUR // 2, 2]  # the row of the chin is one point
    rows = np.stack([jaw[:, 1], np.abs(jaw[:, 0]), jaw[:, 2], middle], axis=-1)
    at = np.linspace(0, NUM_CONTOUR - 1, CONTOUR_ROWS)
    contour = np.stack([np.interp(at, np.arange(NUM_CONTOUR), column) for column in rows.T], axis=-1)
    forehead = head.rows.copy()
    skin = bumpy_skin(head, _NODE_ROWS, _NODE_ACROSS).reshape(-1, 3).astype(np.float64)
    forehead[:, 2:] += _hair_lift(forehead[:, :1])
    skin[:, 2] += _hair_lift(skin[:, 1])
    return Parts(head.points - PIVOT, contour, forehead, skin - PIVOT)


def _hair_lift(y: np.ndarray) -> np.ndarray:
    """Returns the depth in millimetres that hair adds to a forehead at heights y [...]."""
    return _HAIR_SLOPE * np.maximum(-30.0 - y, 0)
