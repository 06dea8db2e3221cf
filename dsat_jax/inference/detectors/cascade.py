"""Face boxes from the frontal-face cascade that is bundled with OpenCV."""

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.inference.detections import Detections

_CASCADE = "haarcascade_frontalface_alt2.xml"
_LONGEST_SIDE = 1024  # larger images are reduced to this size
_SMALLEST_SHARE = 0.05  # smallest face, as a share of the longest side
# Relation between a detection (a square of side w) and the box around the landmarks: medians over 442 detected faces of
# the 300W training set (afw, helen, lfpw), with a scatter of 0.09 w, 0.04 w, 0.08 w and 0.08 w.
_SHIFT_DOWN = 0.15
_WIDTH = 0.88
_HEIGHT = 0.85


class FaceDetector:
    """Detector of upright frontal faces; it misses large heads that are turned far to the side."""

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + _CASCADE)

    def __call__(self, image: np.ndarray) -> Detections:
        """Returns the faces of an image, uint8 [height, width, 3] RGB, left to right, without scores."""
        scale = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1.0:
            size = [max(round(side * scale), 1) for side in grey.shape[::-1]]
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        smallest = max(round(_SMALLEST_SHARE * max(grey.shape)), 24)
        detections = self._cascade.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest)
        )
        boxes = np.array([_landmark_box(*detection) for detection in detections]).reshape(-1, 4)
        corners = geometry.resize_points(
            boxes.reshape(-1, 2, 2), 1 / scale
        )  # [faces, 4] -> [faces, corners, 2]
        return Detections(corners.reshape(-1, 4), smallest=smallest / scale).left_to_right()


def _landmark_box(x: int, y: int, width: int, height: int) -> list[float]:
    """Estimates the box around the landmarks from a detection's rectangle in whole pixels."""
    centre_x = x + (width - 1) / 2
    centre_y = y + (height - 1) / 2 + _SHIFT_DOWN * height
    half_width, half_height = _WIDTH * width / 2, _HEIGHT * height / 2
    return [centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height]
