"""What every model of the project returns."""

import flax.struct
import jax


@flax.struct.dataclass
class Prediction:
    """The output of a landmark model.

    Attributes:
      points: float32 [batch, points, 2], (x, y) in pixels of the network's input.
      heatmaps: float32 [batch, height, width, points + boundaries], landmark maps first; None for a model
        that regresses coordinates.
      gates: float32 [batch, channels], the channel gates as applied: in training with their straight-through
        gradient, so that `gates.mean()` is a differentiable openness; in evaluation 0 or 1. None without a
        gate.
      auxiliary_points: float32 [batch, layers, points, 2], as `points`, from the layers before the last; None for
        a model without them.
    """

    points: jax.Array
    heatmaps: jax.Array | None = None
    gates: jax.Array | None = None
    auxiliary_points: jax.Array | None = None
