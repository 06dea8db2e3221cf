"""What a network finds on crops of faces, without the code of any network."""

from typing import NamedTuple

import jax


class Landmarks(NamedTuple):
    """Landmarks of a batch of crops.

    Attributes:
      points: float32 [batch, points, 2], input pixels.
      confidence: float32 [batch, points], the heatmaps' peak values; None for a model without heatmaps.
      gates: float32 [batch, channels], 1 where a channel is open; None for a model without a gate.
    """

    points: jax.Array
    confidence: jax.Array | None
    gates: jax.Array | None
