"""Pixels, boxes and similarities: every geometric convention of the project, in one place.

A point is (x, y). Pixel centres are at integers: (0, 0) is the centre of the top-left pixel. A transform is a
float64 matrix [2, 3] that maps points, so that a chain of them loses nothing before the last rounding to float32.
All functions are plain NumPy and take any number of leading point dimensions; `mirror_points` also serves JAX arrays.
"""

import numpy as np

from dsat_jax.errors import UserError

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies an affine transform to points.

    Args:
      matrix: [..., 2, 3]; leading dimensions match those of `points` without its point dimension.
      points: [..., points, 2].

    Returns:
      [..., points, 2], in the float type that NumPy promotes the two to.
    """
    linear, offset = matrix[..., :, :2], matrix[..., :, 2]
    return points @ np.swapaxes(linear, -1, -2) + offset[..., None, :]


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The transform that applies `inner` [2, 3] first and `outer` [2, 3] then."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2:] + outer[:, 2:]], axis=1)


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse of an affine transform [2, 3]."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


def resize_matrix(scale_x: float, scale_y: float | None = None) -> np.ndarray:
    """Transform [2, 3] of a resized picture: x' = (x + 0.5) scale_x - 0.5, and y by `scale_y`, or by the same."""
    scale_y = scale_x if scale_y is None else scale_y
    return np.array([[scale_x, 0.0, 0.5 * scale_x - 0.5], [0.0, scale_y, 0.5 * scale_y - 0.5]])


def mirror_matrix(width: int) -> np.ndarray:
    """Transform [2, 3] of a picture mirrored left to right: x' = width - 1 - x."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def mirror_points(points: np.ndarray, width: int, permutation: np.ndarray) -> np.ndarray:
    """Landmarks of the mirrored picture, in the scheme's order.

    Args:
      points: [..., points, 2] pixels of a picture `width` pixels wide.
      width: pixels.
      permutation: int [points], the scheme's `mirror_permutation`.

    Returns:
      [..., points, 2]: x' = width - 1 - x, and each landmark is the one of the other side.
    """
    return points[..., permutation, :] * np.array([-1, 1]) + np.array([width - 1, 0])


def box_of_points(points: np.ndarray) -> np.ndarray:
    """The box [..., 4] = (x_min, y_min, x_max, y_max) around landmarks [..., points, 2]."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def box_overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each box [n, 4] with each other box [m, 4]: float64 [n, m]."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    area, other_area = ((each[:, 2:] - each[:, :2]).prod(axis=-1) for each in (boxes, others))
    return shared / (area[:, None] + other_area[None] - shared)


def crop_matrix(box: np.ndarray, size: int, enlarge: float) -> np.ndarray:
    """The similarity that brings a face box to the network's input; every crop of the project is made by it.

    The box is enlarged by `enlarge` of its width and height on each side. Its four corners are then fitted, in the
    least-squares sense and without rotation, to the corner pixels (0, 0) .. (size - 1, size - 1) of the input: a
    square box fits exactly, another one loses some of its long side and shows more on its short one. This is the
    test crop of the released DSAT (there with enlarge = 0.05).

    Args:
      box: [4] x_min, y_min, x_max, y_max in pixels of the picture.
      size: side of the square input in pixels.
      enlarge: margin on each side as a share of the box.

    Returns:
      float64 [2, 3], picture pixels to input pixels.

    Raises:
      ValueError: if the box has no area or a coordinate is not finite.
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
    return np.array([[scale, 0.0, middle - scale * centre_x], [0.0, scale, middle - scale * centre_y]])


def jitter_matrix(size: int, angle: float, scale: float, shift: np.ndarray, mirror: bool) -> np.ndarray:
    """The random part of a training crop, as a transform from input pixels to input pixels.

    Rotates and scales about the centre of the input, shifts, then mirrors.

    Args:
      size: side of the input in pixels.
      angle: degrees, clockwise as seen (y points down).
      scale: factor; 1.2 enlarges the face.
      shift: [2] pixels.
      mirror: whether to mirror left to right.

    Returns:
      float64 [2, 3].
    """
    radians = np.deg2rad(angle)
    linear = scale * np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    centre = np.full(2, (size - 1) / 2)
    offset = centre - linear @ centre + np.asarray(shift, np.float64)
    moved = np.concatenate([linear, offset[:, None]], axis=1)
    return compose(mirror_matrix(size), moved) if mirror else moved
