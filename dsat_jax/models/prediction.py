"""The common output type of all models."""

import flax.struct
import jax


@flax.struct.dataclass
class Prediction:
    """Output of a landmark model.

    Attributes:
      points: landmarks (x, y) in input pixels, float32 [batch, points, 2].
      heatmaps: heatmaps of the landmarks, then of the boundaries, float32 [batch, height, width, points + boundaries];
        None for a model that regresses coordinates.
      gates: applied channel gates, float32 [batch, channels]; None for a model without a gate. They are 0 or 1 in
        evaluation. In training, soft gates are between 0 and 1 and hard gates have a straight-through gradient, so that
        `gates.mean()` is differentiable.
      auxiliary_points: landmarks of the decoder layers before the last one, in input pixels, float32
        [batch, layers, points, 2]; None for a model without auxiliary outputs.
    """

    points: jax.Array
    heatmaps: jax.Array | None = None
    gates: jax.Array | None = None
    auxiliary_points: jax.Array | None = None
