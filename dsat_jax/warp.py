"""Crops: the network's input, sampled in the same way for training, evaluation and prediction."""

import cv2
import numpy as np

from dsat_jax import geometry

AVERAGED_BELOW = 0.5  # scale below which an image is averaged before it is sampled
_LONGEST_SIDE = 32_766  # OpenCV samples no larger images


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Samples a crop from an image; pixels outside the image are black.

    Args:
      image: image, uint8 [height, width, 3].
      matrix: similarity [2, 3], image pixels to input pixels.
      size: side of the crop in pixels.

    Returns:
      Crop, uint8 [size, size, 3].
    """
    if np.hypot(matrix[0, 0], matrix[1, 0]) < AVERAGED_BELOW or max(image.shape[:2]) > _LONGEST_SIDE:
        image, matrix = _part(image, matrix, size)
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _part(image: np.ndarray, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the part of an image that a crop shows, reduced if the crop is much smaller, and the matrix from there.

    Bilinear sampling reads only 2x2 pixels. An image that shrinks by a factor above 2 is therefore averaged first, to
    prevent aliasing. Only the part in the crop is read: otherwise each face of a large photograph would cost a
    reduction of the whole.
    """
    last = size + 1  # a pixel more on each side than the crop reads
    ends = np.array([[-2, -2], [last, -2], [-2, last], [last, last]])
    corners = geometry.transform_points(geometry.invert(matrix), ends)
    limits = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, low + 1, limits).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    to_part = np.concatenate([np.eye(2), -low[:, None]], axis=1)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    if scale >= AVERAGED_BELOW:
        return part, geometry.compose(matrix, geometry.invert(to_part))
    shrunk = np.maximum(np.round((high - low) * scale).astype(int), 1)
    reduced = cv2.resize(part, shrunk.tolist(), interpolation=cv2.INTER_AREA)
    resized = geometry.compose(geometry.resize_matrix(*(shrunk / (high - low))), to_part)
    return reduced, geometry.compose(matrix, geometry.invert(resized))
