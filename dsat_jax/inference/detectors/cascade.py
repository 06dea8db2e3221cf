"""Face boxes for pictures that come without: OpenCV's bundled frontal-face cascade."""

import cv2
import numpy as np

_CASCADE = "haarcascade_frontalface_alt2.xml"
_LONGEST_SIDE = 1024  # larger pictures are searched at this size
_SMALLEST_SHARE = 0.05  # of the longest side: smaller faces are not searched
# From a detection (a square of side w) to the box around the landmarks: medians over 442 detected faces of the 300W
# training set (afw, helen, lfpw), where they scatter by 0.09 w, 0.04 w, 0.08 w and 0.08 w.
_SHIFT_DOWN = 0.15
_WIDTH = 0.88
_HEIGHT = 0.85


class FaceDetector:
    """Finds upright frontal faces; large heads turned far to the side are missed."""

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + _CASCADE)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Face boxes of a picture, left to right.

        Args:
          image: uint8 [height, width, 3] RGB.

        Returns:
          float64 [faces, 4] x_min, y_min, x_max, y_max around where the landmarks are expected, pixels of the picture.
        """
        scale = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1.0:
            size = [max(round(side * scale), 1) for side in grey.shape[::-1]]
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        smallest = max(round(_SMALLEST_SHARE * max(grey.shape)), 24)
        found = self._cascade.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=4, minSize=(smallest, smallest)
        )
        boxes = np.array([_landmark_box(*detection) for detection in found]).reshape(-1, 4)
        return ((boxes + 0.5) / scale - 0.5)[np.argsort(boxes[:, 0])]


def _landmark_box(x: int, y: int, width: int, height: int) -> list[float]:
    """The box around the landmarks that a detection's rectangle, in whole pixels, suggests."""
    centre_x = x + (width - 1) / 2
    centre_y = y + (height - 1) / 2 + _SHIFT_DOWN * height
    half_width, half_height = _WIDTH * width / 2, _HEIGHT * height / 2
    return [centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height]
