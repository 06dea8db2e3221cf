"""Faces of three dots and a network that finds them, so that the answer for a whole video is known."""

import cv2
import numpy as np

from dsat_jax import schemes
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import Predictor
from dsat_jax.inference.video_files import Frame

SCHEME = schemes.read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)
DOTS = np.array([[0.0, 0.0], [32.0, 0.0], [16.0, 32.0]])  # a red, a green and a blue one
_CROP = 64


def picture(*faces: tuple[float, float]) -> np.ndarray:
    """uint8 [160, 240, 3] RGB with faces whose red dots are at (x, y)."""
    image = np.zeros((160, 240, 3), np.uint8)
    for face in faces:
        for colour, dot in zip(np.eye(3) * 255, DOTS + face, strict=True):
            centre = np.round(dot * 16).astype(int).tolist()
            cv2.circle(image, centre, 4 * 16, colour.tolist(), cv2.FILLED, cv2.LINE_AA, shift=4)
    return image


def frames(*pictures: np.ndarray) -> list[Frame]:
    """The frames of a video of 25 pictures a second."""
    return [Frame(number, number / 25, image) for number, image in enumerate(pictures)]


class DotFinder:
    """A `Predictor` of the dots.

    Attributes:
      predictor: the real one, with a network that takes the middle of each colour, as sure as the colour is bright.
      looks: how often the detector was asked.
      batches: how often the network was asked.
    """

    def __init__(self, tells_confidence: bool = True):
        self.looks = self.batches = 0
        self._tells_confidence = tells_confidence
        self.predictor = Predictor(self._forward, SCHEME, _CROP, 0.25, find_faces=self._find_faces)

    def _forward(self, crops: np.ndarray) -> Landmarks:
        self.batches += 1
        bright = np.where(crops > 100, crops, 0).astype(np.float32).reshape(len(crops), -1, 3)
        weight = (bright + 1e-6) / (bright + 1e-6).sum(axis=1, keepdims=True)
        y, x = np.divmod(np.arange(_CROP * _CROP), _CROP)
        points = np.einsum("bpc,pk->bck", weight, np.stack([x, y], axis=-1).astype(np.float32))
        sure = bright.max(axis=1) / 255
        return Landmarks(points, sure if self._tells_confidence else None, None)

    def _find_faces(self, image: np.ndarray) -> np.ndarray:
        self.looks += 1
        _, _, blobs, centres = cv2.connectedComponentsWithStats((image[..., 0] > 100).astype(np.uint8))
        red = centres[1:][blobs[1:, cv2.CC_STAT_AREA] > 20]
        red = red[np.argsort(red[:, 0])]
        return np.concatenate([red, red + DOTS.max(axis=0)], axis=1)
