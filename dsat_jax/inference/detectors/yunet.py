"""Face boxes from YuNet, a small network whose .onnx file the user downloads.

The file is `face_detection_yunet_2023mar.onnx` (or a later version) of the OpenCV Zoo. OpenCV runs it.
"""

import pathlib

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError

_LONGEST_SIDE = 320  # larger images are reduced to this size: YuNet detects faces of about 10 to 300 px
_SCORE = 0.7
# Relation between YuNet's five points and the box around the landmarks. Centre and size are the mean and the root mean
# square spread of the eyes and the corners of the mouth. The tip of the nose moves sideways as the head turns, and
# shifts the box towards the visible side of the jaw. The constants minimise the absolute error over 2,012 annotated
# faces of the 300W training set (afw, helen, lfpw), whose 68 landmarks determine both the points and the box.
# Intersection over union is 0.87 in the median and 0.76 at the 5th percentile. YuNet's own rectangle is not used,
# because its position relative to the landmarks depends on YuNet's training data.
_HALF_WIDTH = 1.62
_UP, _DOWN = 1.36, 1.82
_NOSE = 1.17  # shift of the box opposite to the nose, per shift of the nose


class YuNetDetector:
    """Detector of upright, turned and tilted faces, called like `cascade.FaceDetector`.

    Args:
      path: .onnx file of YuNet.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if OpenCV cannot run the file, or it is another network.
    """

    def __init__(self, path: pathlib.Path):
        self._path = pathlib.Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(
                f"{path} is not a file, expected the .onnx file of YuNet, from the OpenCV Zoo"
            )
        size = (_LONGEST_SIDE, _LONGEST_SIDE)
        try:
            self._network = cv2.FaceDetectorYN.create(str(self._path), "", size, _SCORE)
        except cv2.error as error:
            raise self._refused("OpenCV cannot read it as ONNX") from error
        try:
            self._network.detect(np.zeros((*size, 3), np.uint8))
        except cv2.error as error:  # so that another network is refused before the first image
            raise self._refused("its network has other outputs than YuNet") from error

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Face boxes of an image, left to right.

        Args:
          image: uint8 [height, width, 3] RGB.

        Returns:
          float64 [faces, 4] x_min, y_min, x_max, y_max around the expected landmarks, image pixels.
        """
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        searched = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
        self._network.setInputSize(size)
        _, detections = self._network.detect(cv2.cvtColor(searched, cv2.COLOR_RGB2BGR))
        boxes = landmark_boxes(np.empty((0, 15)) if detections is None else detections)
        factors = np.array([width / size[0], height / size[1]])
        corners = geometry.resize_points(
            boxes.reshape(-1, 2, 2), factors
        )  # [faces, 4] -> [faces, corners, 2]
        return corners.reshape(-1, 4)[np.argsort(boxes[:, 0])]

    def _refused(self, problem: str) -> UserError:
        return UserError(f"{self._path}: {problem}, expected the .onnx file of YuNet, from the OpenCV Zoo")


def landmark_boxes(detections: np.ndarray) -> np.ndarray:
    """Estimates the boxes around the landmarks from YuNet's five points.

    The relation is that between the 68 landmarks of 300W and the same five points among them; see the constants above.

    Args:
      detections: float [faces, 15], as `cv2.FaceDetectorYN.detect` returns them: rectangle (x, y, width, height), then
        (x, y) of both eyes, the tip of the nose and both corners of the mouth, and a score.

    Returns:
      float64 [faces, 4] x_min, y_min, x_max, y_max, in the pixels of the points.
    """
    points = np.asarray(detections, np.float64)[:, 4:14].reshape(-1, 5, 2)
    corners = points[:, [0, 1, 3, 4]]  # eyes and mouth
    centre = corners.mean(axis=1)
    size = np.sqrt(np.square(corners - centre[:, None]).sum(axis=-1).mean(axis=-1))
    middle = centre[:, 0] - _NOSE * (points[:, 2, 0] - centre[:, 0])
    low = [middle - _HALF_WIDTH * size, centre[:, 1] - _UP * size]
    high = [middle + _HALF_WIDTH * size, centre[:, 1] + _DOWN * size]
    return np.stack(low + high, axis=-1)
