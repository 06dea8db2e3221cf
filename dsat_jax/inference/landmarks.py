"""Results of a trained network: landmarks of a batch of crops, and the faces of an image."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np


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
      box: float64 [4] x_min, y_min, x_max, y_max around the expected landmarks, image pixels.
      landmarks: float64 [points, 2], pixels of the image as viewers show it, with the EXIF orientation applied.
      confidence: float32 [points], peak values of the heatmaps. They are comparable only within a run; its
        evaluation report relates them to errors. None for a model without heatmaps.
      open_channels: bool [channels], true for the channels that the gate opens; None for a model without a gate.
    """

    box: np.ndarray
    landmarks: np.ndarray
    confidence: np.ndarray | None
    open_channels: np.ndarray | None
