"""A head in one expression: landmarks and skin in millimetres.

The skin is a height field z(x, y) between the two jaw lines: a smooth base, spanned by jaw line and profile,
and bumps on it (nose, lips, eye sockets ...) that only the shading uses. Each landmark has its own offset from
the base.
"""

import dataclasses

import numpy as np

from tfds_builders.synthetic_faces.curves import curve
from tfds_builders.synthetic_faces.expression import Expression, express
from tfds_builders.synthetic_faces.template import NUM_CONTOUR, Shape, features_of


@dataclasses.dataclass(frozen=True)
class Head:
    """One head in one expression.

    Attributes:
      points: float64 [98, 3] landmarks in millimetres; those of the contour are on the jaw line.
      rows: float64 [rows, 4]: y, half width of the skin, z at its edge, z at the midline; y ascends.
    """

    points: np.ndarray
    rows: np.ndarray


def build_head(shape: Shape, expression: Expression, depth: float = 1.0) -> Head:
    """Computes landmarks and skin of a head.

    Args:
      shape: identity of the head.
      expression: expression of the face.
      depth: factor of the depth of the sides of the face.

    Returns:
      The head; exactly mirror-symmetric if the expression is.
    """
    features = features_of(shape)
    express(features, expression)
    stretch = 1 + 0.045 * shape.face_length
    for y in (features.points[:, 1], features.jaw[:, 1], features.profile[:, 0]):
        y[y > 0] *= stretch  # the part above the eyes does not depend on the length of the face

    for edge in (features.jaw, features.forehead):  # the chin and the middle of the forehead stay
        edge[:, 2] *= 1 + (depth - 1) * np.minimum(edge[:, 0] / 55, 1)
    jaw = curve(features.jaw)
    rows = _rows(np.concatenate([curve(features.forehead, per_segment=4), jaw]), features.profile)
    points = features.points
    points[:, 2] += base_depth(rows, points[:, 0], points[:, 1])
    half = _resample(jaw, NUM_CONTOUR // 2 + 1)  # temple to chin, on the right
    points[16:33] = half[::-1]
    points[:16] = half[:-1] * (-1, 1, 1)
    return Head(points, rows)


def rows_at(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The rows [heights, 4] of the skin at other heights y [heights]."""
    return np.stack([y] + [np.interp(y, rows[:, 0], rows[:, k]) for k in (1, 2, 3)], axis=-1)


def base_depth(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth z of the smooth skin.

    Args:
      rows: [rows, 4], see `Head`.
      x: [...] millimetres.
      y: [...] millimetres.

    Returns:
      [...] millimetres: a super-ellipse in x from the edge to the midline; outside the skin, the depth of its
      edge.
    """
    _, width, edge, middle = rows_at(rows, y).T
    across = np.minimum(np.abs(x) / np.maximum(width, 1e-6), 1.0)
    return edge + (middle - edge) * (1 - across**2.5) ** 0.6


def _resample(line: np.ndarray, count: int) -> np.ndarray:
    """`count` points at equal distances along the front view of a line [points, 3]."""
    length = np.r_[0, np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))]
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, line[:, k]) for k in range(3)], axis=-1)


def _rows(edge: np.ndarray, profile: np.ndarray) -> np.ndarray:
    middle = curve(profile)
    y = edge[:, 1]
    return np.stack([y, edge[:, 0], edge[:, 2], np.interp(y, middle[:, 0], middle[:, 1])], axis=-1)
