"""Crops: the network's input, sampled in the same way for training, evaluation and prediction."""

import cv2
import numpy as np

from dsat_jax import geometry


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Samples a crop from an image; pixels outside the image are black.

    Args:
      image: image, uint8 [height, width, 3].
      matrix: similarity [2, 3], image pixels to input pixels.
      size: side of the crop in pixels.

    Returns:
      Crop, uint8 [size, size, 3].
    """
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 0.5:
        # Bilinear sampling reads only 2x2 pixels. An image that shrinks by a factor above 2 is therefore averaged
        # first, which prevents aliasing.
        height, width = image.shape[:2]
        shrunk = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
        resized = geometry.resize_matrix(shrunk[0] / width, shrunk[1] / height)
        matrix = geometry.compose(matrix, geometry.invert(resized))
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
