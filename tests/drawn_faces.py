"""Faces of three dots, and a predictor that finds them, so that the landmarks of a whole video are known."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax import schemes
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import Predictor
from dsat_jax.inference.video_files import Frame, VideoWriter

SCHEME = schemes.read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)
DOTS = np.array([[0.0, 0.0], [32.0, 0.0], [16.0, 32.0]])  # offsets of the red, the green and the blue dot
_CROP = 64


def picture(*faces: tuple[float, float]) -> np.ndarray:
    """Returns an image, uint8 [160, 240, 3] RGB, with faces whose red dots are at (x, y)."""
    image = np.zeros((160, 240, 3), np.uint8)
    for face in faces:
        for colour, dot in zip(np.eye(3) * 255, DOTS + face, strict=True):
            centre = np.round(dot * 16).astype(int).tolist()
            cv2.circle(image, centre, 4 * 16, colour.tolist(), cv2.FILLED, cv2.LINE_AA, shift=4)
    return image


def frames(*images: np.ndarray) -> list[Frame]:
    """Returns the frames of a video with 25 frames per second."""
    return [Frame(number, number / 25, image) for number, image in enumerate(images)]


def write_video(path: pathlib.Path, images: Sequence[np.ndarray], rate: float = 25.0) -> pathlib.Path:
    """Writes images as the frames of a video file."""
    writer = VideoWriter(path, rate, images[0].shape[1::-1])
    for image in images:
        writer.write(image)
    writer.close()
    return path


class DotFinder:
    """A predictor of the dots that counts its calls.

    Attributes:
      predictor: `Predictor` whose network returns the centre of each colour, and the brightness as the confidence.
      detections: number of calls of the detector.
      batches: number of calls of the network.
    """

    def __init__(self, has_confidence: bool = True):
        self.detections = self.batches = 0
        self._has_confidence = has_confidence
        self.predictor = Predictor(self._forward, SCHEME, _CROP, 0.25, self._find_faces)

    def _forward(self, crops: np.ndarray, mirror: bool) -> Landmarks:
        del mirror
        self.batches += 1
        bright = np.where(crops > 100, crops, 0).astype(np.float32).reshape(len(crops), -1, 3)
        weight = (bright + 1e-6) / (bright + 1e-6).sum(axis=1, keepdims=True)
        y, x = np.divmod(np.arange(_CROP * _CROP), _CROP)
        points = np.einsum("bpc,pk->bck", weight, np.stack([x, y], axis=-1).astype(np.float32))
        confidence = bright.max(axis=1) / 255
        return Landmarks(points, confidence if self._has_confidence else None, None)

    def _find_faces(self, image: np.ndarray) -> Detections:
        self.detections += 1
        _, _, blobs, centres = cv2.connectedComponentsWithStats((image[..., 0] > 100).astype(np.uint8))
        red = centres[1:][blobs[1:, cv2.CC_STAT_AREA] > 20]
        red = red[np.argsort(red[:, 0])]
        return Detections(np.concatenate([red, red + DOTS.max(axis=0)], axis=1))
