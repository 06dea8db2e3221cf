"""dlib's HOG face detector and 68 landmarks as a `peers_server.System`; runs in the interpreter of the peers.

The weights are those of the package face_recognition_models, of dlib's author, trained on all of iBUG 300-W.
"""

import importlib.util
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import peers_server

if TYPE_CHECKING:
    import dlib

UPSAMPLE = 1  # doublings of the image before detection, as in dlib's example and in face_recognition
# The detection for a given box around the landmarks, whose size is sqrt(width * height). Of 16 pairs of these constants
# this one gives the least mean error of dlib's landmarks, over 838 faces of helen/trainset and lfpw/trainset of 300W.
# The medians of dlib's own detections are 1.09 and 0.09. The median error is 2.5 % for all of them.
SIDE = 1.15  # side of the detection
UP = 0.12  # height of its centre above the centre of the box


def square(box: peers_server.Box) -> tuple[int, int, int, int]:
    """Returns the detection (left, top, right, bottom) that dlib would make of a face, from its box of landmarks."""
    x_min, y_min, x_max, y_max = box
    size = ((x_max - x_min) * (y_max - y_min)) ** 0.5
    left = (x_min + x_max) / 2 - SIDE * size / 2
    top = (y_min + y_max) / 2 - (UP + SIDE / 2) * size
    return round(left), round(top), round(left + SIDE * size), round(top + SIDE * size)


class Dlib:
    """dlib with its defaults; see `peers_server.System` for the methods."""

    def __init__(self):
        import dlib

        package = importlib.util.find_spec("face_recognition_models")
        if package is None:
            raise ModuleNotFoundError("No module named 'face_recognition_models'")
        models = pathlib.Path(package.origin).parent / "models"
        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))

    def read(self, path: str) -> np.ndarray:
        return self._dlib.load_rgb_image(path)

    def detect(self, image: np.ndarray) -> "dlib.rectangles":
        return self._detector(image, UPSAMPLE)

    def find(self, image: np.ndarray) -> np.ndarray:
        return np.array([self._landmarks(image, rectangle) for rectangle in self.detect(image)])

    def align(self, image: np.ndarray, box: peers_server.Box) -> np.ndarray:
        return self._landmarks(image, self._dlib.rectangle(*square(box)))[None]

    def landmarks_only(self, image: np.ndarray, box: peers_server.Box):
        return lambda: self.align(image, box)

    def _landmarks(self, image: np.ndarray, rectangle: "dlib.rectangle") -> np.ndarray:
        return np.array([(point.x, point.y) for point in self._predictor(image, rectangle).parts()], float)


if __name__ == "__main__":
    peers_server.serve(Dlib)
