"""Face boxes from YuNet, a small network whose .onnx file the user brings.

The file is `face_detection_yunet_2023mar.onnx` (or a later one) of the OpenCV Zoo; OpenCV itself runs it.
"""

import pathlib

import cv2
import numpy as np

from dsat_jax.errors import UserError

_LONGEST_SIDE = 320  # larger pictures are searched at this size: YuNet finds faces of about 10 to 300 px
_SCORE = 0.7
# From YuNet's five points to the box around the landmarks. The centre and the size are mean and root mean square spread
# of the two eyes and the two corners of the mouth; the tip of the nose, which moves aside as the head turns, says on
# which side the jaw shows more. Least absolute errors over 2,012 annotated faces of the 300W training set (afw, helen,
# lfpw), whose 68 landmarks give both the points and the box: intersection over union 0.87 in the median, 0.76 for the
# worst twentieth. (YuNet's own rectangle is not used: how it lies about the landmarks depends on the data that it was
# trained on.)
_HALF_WIDTH = 1.62
_UP, _DOWN = 1.36, 1.82
_NOSE = 1.17  # shift of the box against that of the nose


class YuNetDetector:
    """Finds faces, also turned and tilted ones; the same call as `detect.FaceDetector`.

    Args:
      path: of the .onnx file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no network that OpenCV can run, or another one.
    """

    def __init__(self, path: pathlib.Path):
        self._path = pathlib.Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(
                f"{path} is no file, expected the .onnx file of YuNet, from the OpenCV Zoo"
            )
        size = (_LONGEST_SIDE, _LONGEST_SIDE)
        try:
            self._network = cv2.FaceDetectorYN.create(str(self._path), "", size, _SCORE)
        except cv2.error as error:
            raise self._refused("OpenCV cannot read it as ONNX") from error
        try:
            self._network.detect(np.zeros((*size, 3), np.uint8))
        except cv2.error as error:  # now, not at the first picture
            raise self._refused("its network does not give what YuNet gives") from error

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Face boxes of a picture, left to right.

        Args:
          image: uint8 [height, width, 3] RGB.

        Returns:
          float64 [faces, 4] x_min, y_min, x_max, y_max around where the landmarks are expected, pixels of the picture.
        """
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        searched = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
        self._network.setInputSize(size)
        _, found = self._network.detect(cv2.cvtColor(searched, cv2.COLOR_RGB2BGR))
        boxes = landmark_boxes(np.empty((0, 15)) if found is None else found)
        factor = np.array([width / size[0], height / size[1]] * 2)
        return ((boxes + 0.5) * factor - 0.5)[np.argsort(boxes[:, 0])]

    def _refused(self, found: str) -> UserError:
        return UserError(f"{self._path}: {found}, expected the .onnx file of YuNet, from the OpenCV Zoo")


def landmark_boxes(detections: np.ndarray) -> np.ndarray:
    """The boxes around the landmarks that YuNet's five points suggest.

    The relation is that of the 68 landmarks of 300W to the same five points among them; see the constants above.

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
