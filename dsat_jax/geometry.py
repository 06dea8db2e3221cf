"""Pixel coordinates, boxes and similarities: all geometric conventions of the project.

A point is (x, y). Pixel centres are at integers: (0, 0) is the centre of the top-left pixel. A transform is a matrix
[2, 3] that maps points; it is float64, so that composing transforms adds no float32 rounding. The functions use NumPy
and accept any number of leading dimensions of points; `resize_points`, `mirror_points` and those of a training crop
(`jitter_matrix`, `resize_matrix`, `compose`, `invert`, `transform_points`) also accept JAX arrays.
"""

from types import ModuleType
from typing import Any

import numpy as np

from dsat_jax.errors import UserError

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies an affine transform to points.

    Args:
      matrix: transform [..., 2, 3]; its leading dimensions are those of `points`.
      points: points [..., points, 2].

    Returns:
      Mapped points [..., points, 2], in the float type to which NumPy promotes the arguments.
    """
    linear, offset = matrix[..., :, :2], matrix[..., :, 2]
    return points @ np.swapaxes(linear, -1, -2) + offset[..., None, :]


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Returns the transform [2, 3] that applies `inner` [2, 3] first and `outer` [2, 3] second."""
    parts = [outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2:] + outer[:, 2:]]
    return _namespace(outer, inner).concatenate(parts, axis=1)


def invert(matrix: np.ndarray) -> np.ndarray:
    """Returns the inverse of an affine transform [2, 3]."""
    (a, b, x), (c, d, y) = matrix
    determinant = a * d - b * c
    inverse = _namespace(matrix).array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]])
    return inverse / determinant


def resize_points(points: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Maps points of an image to the resized image: x' = (x + 0.5) scale - 0.5, since pixel centres are at integers.

    Args:
      points: points [..., 2] in pixels of the image, or boxes [..., 4]; a NumPy or JAX array.
      scale: new size / old size, a scalar or one factor for each coordinate of the last axis.

    Returns:
      The points in pixels of the resized image, with the shape and the array type of `points`.
    """
    return (points + 0.5) * scale - 0.5


def resize_matrix(scale_x: float, scale_y: float | None = None) -> np.ndarray:
    """Returns the transform [2, 3] of `resize_points`; `scale_y` defaults to `scale_x`."""
    xp = _namespace(scale_x)
    scale = xp.array([scale_x, scale_x if scale_y is None else scale_y])
    return xp.concatenate([xp.diag(scale), resize_points(np.zeros(2), scale)[:, None]], axis=1)


def mirror_matrix(width: int) -> np.ndarray:
    """Returns the transform [2, 3] that mirrors an image left to right: x' = width - 1 - x."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def mirror_points(points: np.ndarray, width: int, permutation: np.ndarray) -> np.ndarray:
    """Mirrors landmarks left to right and restores the order of the scheme.

    Args:
      points: landmarks [..., points, 2] in pixels of the image.
      width: width of the image in pixels.
      permutation: the scheme's `mirror_permutation`, int [points].

    Returns:
      Landmarks [..., points, 2] of the mirrored image: x' = width - 1 - x, left and right landmarks exchanged.
    """
    return points[..., permutation, :] * np.array([-1, 1]) + np.array([width - 1, 0])


def box_of_points(points: np.ndarray) -> np.ndarray:
    """Returns the box [..., 4] = (x_min, y_min, x_max, y_max) around landmarks [..., points, 2]."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def box_overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the intersection over union, float64 [n, m], of boxes [n, 4] and boxes [m, 4]."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    area, other_area = ((each[:, 2:] - each[:, :2]).prod(axis=-1) for each in (boxes, others))
    return shared / (area[:, None] + other_area[None] - shared)


def fit_similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the similarity that maps points to targets with the least squared error, without a reflection.

    Args:
      points: points [points, 2], at least two different ones.
      targets: their targets [points, 2].

    Returns:
      Similarity, float64 [2, 3] (Umeyama, Least-squares estimation of transformation parameters between two point
      patterns, 1991; in the plane, a product of complex numbers); not finite if all points are equal.
    """
    centre, target_centre = points.mean(axis=0), targets.mean(axis=0)
    from_centre, target_from_centre = points - centre, targets - target_centre
    along = (from_centre * target_from_centre).sum()
    across = (
        from_centre[:, 0] * target_from_centre[:, 1] - from_centre[:, 1] * target_from_centre[:, 0]
    ).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        linear = np.array([[along, -across], [across, along]]) / np.float64(np.square(from_centre).sum())
    return np.concatenate([linear, (target_centre - linear @ centre)[:, None]], axis=1)


def roll_matrix(roll: float, centre: np.ndarray) -> np.ndarray:
    """Returns the rotation [2, 3] by `roll` radians, clockwise in the image (y points down), about `centre` [2]."""
    xp = _namespace(roll)
    linear = xp.array([[xp.cos(roll), -xp.sin(roll)], [xp.sin(roll), xp.cos(roll)]])
    return xp.concatenate([linear, (centre - linear @ centre)[:, None]], axis=1)


def box_centre(box: np.ndarray) -> np.ndarray:
    """Returns the centre [..., 2] of boxes [..., 4]."""
    return (box[..., :2] + box[..., 2:]) / 2


def rolled_box(points: np.ndarray, roll: float) -> np.ndarray:
    """Returns the box [4] around points [points, 2] whose sides are turned with a face, by `roll` about its centre.

    The corners of the box are those of an upright box before it is turned by `roll_matrix(roll, its centre)`.
    """
    origin = np.zeros(2)
    upright = box_of_points(transform_points(roll_matrix(-roll, origin), points))
    middle = transform_points(roll_matrix(roll, origin), box_centre(upright)[None])[0]
    half = (upright[2:] - upright[:2]) / 2
    return np.concatenate([middle - half, middle + half])


def box_of_rolled(box: np.ndarray, roll: float) -> np.ndarray:
    """Returns the box [4] with sides along the image around the ellipse in a box [4] turned by `roll`.

    A face fills about the ellipse in its box, so that this is about the box of its landmarks.
    """
    centre, half = box_centre(box), (box[2:] - box[:2]) / 2
    cos, sin = np.cos(roll), np.sin(roll)
    extent = np.hypot([half[0] * cos, half[0] * sin], [half[1] * sin, half[1] * cos])
    return np.concatenate([centre - extent, centre + extent])


def crop_matrix(box: np.ndarray, size: int, enlarge: float, roll: float = 0.0) -> np.ndarray:
    """Returns the similarity that maps a face box to the network's input. Every crop of the project uses it.

    The box is enlarged by `enlarge` of its width and height on each side. Its four corners are then fitted by least
    squares, without rotation, to the corner pixels (0, 0) .. (size - 1, size - 1) of the input. A square box fits
    exactly. The crop of any other box cuts off part of its long side and adds context on its short side. The released
    DSAT makes its test crops in this way, with enlarge = 0.05.

    Args:
      box: x_min, y_min, x_max, y_max [4] in pixels of the image.
      size: side of the square input in pixels.
      enlarge: margin on each side as a share of the box.
      roll: angle of the face in radians, clockwise in the image; the box is turned by it about its centre, and the
        face is upright in the crop.

    Returns:
      Similarity, float64 [2, 3], image pixels to input pixels.

    Raises:
      UserError: if the box has no area or a coordinate is not finite.
    """
    x_min, y_min, x_max, y_max = np.asarray(box, np.float64)
    width, height = (x_max - x_min) * (1 + 2 * enlarge), (y_max - y_min) * (1 + 2 * enlarge)
    if not (np.isfinite([x_min, y_min, x_max, y_max]).all() and width > 0 and height > 0):
        raise UserError(
            f"a face box needs finite coordinates and a positive size, got {np.asarray(box).tolist()}"
        )
    # Least squares over centred corners p -> q: scale = sum(p . q) / sum(p . p).
    scale = (size - 1) * (width + height) / (width**2 + height**2)
    centre_x, centre_y = (x_min + x_max) / 2, (y_min + y_max) / 2
    middle = (size - 1) / 2
    upright = np.array([[scale, 0.0, middle - scale * centre_x], [0.0, scale, middle - scale * centre_y]])
    return compose(upright, roll_matrix(-roll, np.array([centre_x, centre_y]))) if roll else upright


def jitter_matrix(size: int, angle: float, scale: float, shift: np.ndarray, mirror: bool) -> np.ndarray:
    """Returns the random part of the transform of a training crop, from input pixels to input pixels.

    The transform rotates and scales about the centre of the input, then shifts, then mirrors.

    Args:
      size: side of the input in pixels.
      angle: rotation in degrees, clockwise in the image (y points down).
      scale: scale factor; values above 1 enlarge the face.
      shift: shift (x, y) in pixels, [2].
      mirror: whether to mirror left to right.

    Returns:
      Transform, float64 [2, 3].
    """
    xp = _namespace(angle)
    radians = xp.deg2rad(angle)
    centre = np.full(2, (size - 1) / 2)
    linear = scale * roll_matrix(radians, centre)[:, :2]
    offset = centre - linear @ centre + xp.asarray(shift, np.float64)
    matrix = xp.concatenate([linear, offset[:, None]], axis=1)
    return xp.where(mirror, compose(mirror_matrix(size), matrix), matrix)


def _namespace(*arrays: Any) -> ModuleType:
    """Returns the module with the functions for arrays: `jax.numpy` if one of them is a JAX array, otherwise NumPy.

    This module does not import JAX, because the dataset builders use it without JAX.
    """
    others = (array for array in arrays if not isinstance(array, np.ndarray | np.generic))
    return next(
        (array.__array_namespace__() for array in others if hasattr(array, "__array_namespace__")), np
    )
