"""Face boxes from YuNet, a small network whose .onnx file the user downloads.

The file is `face_detection_yunet_2023mar.onnx` (or a later version) of the OpenCV Zoo. OpenCV runs it.
"""

import pathlib

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import detections
from dsat_jax.inference.detections import Detections

_LONGEST_SIDE = 320  # larger images are reduced to this size: YuNet detects faces of about 10 to 300 px
THRESHOLD = 0.7  # default of the least score


class FaceDetector:
    """Detector of upright, turned and tilted faces, called like `mtcnn.FaceDetector`.

    Args:
      path: .onnx file of YuNet.
      threshold: least score of a face, from 0 to 1.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if OpenCV cannot run the file, or it is another network.
    """

    def __init__(self, path: pathlib.Path, threshold: float = THRESHOLD):
        self._path = pathlib.Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(
                f"{path} is not a file, expected the .onnx file of YuNet, from the OpenCV Zoo"
            )
        size = (_LONGEST_SIDE, _LONGEST_SIDE)
        try:
            self._network = cv2.FaceDetectorYN.create(str(self._path), "", size, threshold)
        except cv2.error as error:
            raise self._refused("OpenCV cannot read it as ONNX") from error
        try:
            self._network.detect(np.zeros((*size, 3), np.uint8))
        except cv2.error as error:  # so that another network is refused before the first image
            raise self._refused("its network has other outputs than YuNet") from error

    def __call__(self, image: np.ndarray) -> Detections:
        """Returns the faces of an image, uint8 [height, width, 3] RGB, left to right."""
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        searched = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
        self._network.setInputSize(size)
        _, rows = self._network.detect(cv2.cvtColor(searched, cv2.COLOR_RGB2BGR))
        if rows is None:
            return detections.NONE
        # A row: rectangle (x, y, width, height), which is not used, because its position relative to the landmarks
        # depends on the training data; (x, y) of the five points; score.
        points = rows[:, 4:14].reshape(-1, 5, 2).astype(np.float64)  # [faces, 10] -> [faces, 5, 2]
        points = geometry.resize_points(points, np.array([width / size[0], height / size[1]]))
        return detections.from_points(points, rows[:, 14]).left_to_right()

    def _refused(self, problem: str) -> UserError:
        return UserError(f"{self._path}: {problem}, expected the .onnx file of YuNet, from the OpenCV Zoo")
