"""Results of a trained network: landmarks of a batch of crops, and the faces of an image."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from dsat_jax import geometry
from dsat_jax.schemes import Scheme


class Landmarks(NamedTuple):
    """Landmarks of a batch of crops.

    Attributes:
      points: float32 [batch, points, 2], input pixels.
      confidence: float32 [batch, points], peak values of the heatmaps; None for a model without heatmaps.
      gates: float32 [batch, channels], above 0 where a channel is open; None for a model without a gate.
    """

    points: jax.Array
    confidence: jax.Array | None
    gates: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Face:
    """A face of an image.

    Attributes:
      box: float64 [4] x_min, y_min, x_max, y_max around the expected landmarks, image pixels, turned by `roll` about
        its centre.
      landmarks: float64 [points, 2], pixels of the image as viewers show it, with the EXIF orientation applied.
      confidence: float32 [points], peak values of the heatmaps. They are comparable only within a run; its
        evaluation report relates them to errors. None for a model without heatmaps.
      open_channels: bool [channels], true for the channels that the gate opens; None for a model without a gate.
      scheme: scheme of the landmarks.
      roll: angle of the box in radians, clockwise in the image; 0 for a given box.
      score: score of the face detector, from 0 to 1; None for a given box, or a detector without scores.
    """

    box: np.ndarray
    landmarks: np.ndarray
    confidence: np.ndarray | None
    open_channels: np.ndarray | None
    scheme: Scheme
    roll: float = 0.0
    score: float | None = None

    @property
    def bounds(self) -> np.ndarray:
        """The box without its roll: float64 [4], sides along the image."""
        return geometry.box_of_rolled(self.box, self.roll)
