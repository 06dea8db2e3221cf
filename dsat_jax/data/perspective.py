"""Training crops seen obliquely: a projective transform that moves the corners of the crop at random."""

import cv2
import numpy as np


def tilt(
    image: np.ndarray, points: np.ndarray, largest: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a crop and its landmarks after a random projective transform.

    Args:
      image: crop, uint8 [size, size, 3].
      points: landmarks, float32 [points, 2] in pixels of the crop.
      largest: largest shift of a corner along each axis, as a share of the crop's side; below a half.
      random: source of the random draws.

    Returns:
      Crop and landmarks with the shapes and types of the arguments; pixels from outside the crop are black.
    """
    size = len(image)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (size - 1)
    shifts = random.uniform(-largest, largest, (4, 2)).astype(np.float32) * size
    matrix = cv2.getPerspectiveTransform(corners, corners + shifts)
    tilted = cv2.warpPerspective(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return tilted, cv2.perspectiveTransform(points[None], matrix)[0]
