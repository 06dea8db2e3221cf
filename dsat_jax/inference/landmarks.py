"""What comes out of a trained network: for a batch of crops, and for each face of a picture."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np


class Landmarks(NamedTuple):
    """Landmarks of a batch of crops.

    Attributes:
      points: float32 [batch, points, 2], input pixels.
      confidence: float32 [batch, points], the heatmaps' peak values; None for a model without heatmaps.
      gates: float32 [batch, channels], above 0 where a channel is open; None for a model without a gate.
    """

    points: jax.Array
    confidence: jax.Array | None
    gates: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Face:
    """A face of a picture.

    Attributes:
      box: float64 [4] x_min, y_min, x_max, y_max around where the landmarks were expected, picture pixels.
      landmarks: float64 [points, 2], picture pixels; those of a picture as viewers show it, EXIF orientation applied.
      confidence: float32 [points], the heatmaps' peak values, to be compared within a run: the report of its
        evaluation shows which errors go with which values. None for a model without heatmaps.
      open_channels: bool [channels], which channels the gate has opened; None for a model without a gate.
    """

    box: np.ndarray
    landmarks: np.ndarray
    confidence: np.ndarray | None
    open_channels: np.ndarray | None
