"""The output of every model."""

import flax.struct
import jax


@flax.struct.dataclass
class Prediction:
    """The output of a landmark model.

    Attributes:
      points: landmarks (x, y), float32 [batch, points, 2] in input pixels.
      heatmaps: heatmaps, float32 [batch, height, width, points + boundaries], landmark maps first; None for a model
        that regresses coordinates.
      gates: applied channel gates, float32 [batch, channels]; 0 or 1 in evaluation, with a straight-through gradient in
        training, so that `gates.mean()` is differentiable; None for a model without a gate.
      auxiliary_points: landmarks of the decoder layers before the last, float32 [batch, layers, points, 2] in input
        pixels; None for a model without them.
    """

    points: jax.Array
    heatmaps: jax.Array | None = None
    gates: jax.Array | None = None
    auxiliary_points: jax.Array | None = None
