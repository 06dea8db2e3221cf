"""What training minimises: the weighted sum of the losses that a configuration names."""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from dsat_jax import losses, targets
from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import Scheme


def total_loss(
    prediction: Prediction, points: jax.Array, weights: jax.Array, config: ConfigDict, scheme: Scheme
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss of a batch and its parts.

    A part whose weight in `config.loss` is 0 is not computed; one that the model has no output for is an error.

    Args:
      prediction: of the model in training mode.
      points: [batch, points, 2] labels, input pixels.
      weights: [batch, points], 0 where a label is unknown.
      config: the run's configuration.
      scheme: of the landmarks.

    Returns:
      float32 scalar, and each part before its weight, by name.

    Raises:
      ValueError: if a weight asks for heatmaps, gates or earlier layers' points that the model does not have.
    """
    parts = {}
    if config.loss.heatmap > 0:
        parts["heatmap"] = _heatmap_part(prediction, points, weights, config, scheme)
    if config.loss.coordinates > 0:
        penalty = choose(losses.PENALTIES, config.loss.penalty, "penalty")
        parts["coordinates"] = losses.coordinate_loss(prediction.points, points, weights, penalty)
    if config.loss.auxiliary > 0:
        parts["auxiliary"] = _auxiliary_part(prediction, points, weights, config)
    if config.loss.sparsity > 0:
        if prediction.gates is None:
            raise UserError("config.loss.sparsity is positive, but the model has no gate")
        parts["sparsity"] = prediction.gates.astype(jnp.float32).mean()
    if not parts:
        raise UserError("config.loss gives no part a positive weight, so there is nothing to minimise")
    return sum(config.loss[name] * part for name, part in parts.items()), parts


def _auxiliary_part(
    prediction: Prediction, points: jax.Array, weights: jax.Array, config: ConfigDict
) -> jax.Array:
    """The coordinate penalty of the layers before the last, summed over them."""
    if prediction.auxiliary_points is None or prediction.auxiliary_points.shape[1] == 0:
        raise UserError(
            "config.loss.auxiliary is positive, but no layer before the model's last predicts points"
        )
    penalty = choose(losses.PENALTIES, config.loss.penalty, "penalty")
    layers = jnp.moveaxis(prediction.auxiliary_points, 1, 0)  # [layers, batch, points, 2]
    return sum(losses.coordinate_loss(layer, points, weights, penalty) for layer in layers)


def _heatmap_part(
    prediction: Prediction, points: jax.Array, weights: jax.Array, config: ConfigDict, scheme: Scheme
) -> jax.Array:
    if prediction.heatmaps is None:
        raise UserError("config.loss.heatmap is positive, but the model predicts no heatmaps")
    rendered = heatmap_targets(prediction.heatmaps, points, config, scheme)
    boundaries = _boundaries(prediction.heatmaps, scheme)
    return losses.heatmap_loss(prediction.heatmaps, rendered, targets.channel_weights(weights, boundaries))


def heatmap_targets(
    heatmaps: jax.Array | jax.ShapeDtypeStruct, points: jax.Array, config: ConfigDict, scheme: Scheme
) -> tuple[jax.Array, ...]:
    """What predicted heatmaps shall be.

    Args:
      heatmaps: [batch, size, size, channels]; only their shape counts.
      points: [batch, points, 2] labels, input pixels.
      config: the run's configuration.
      scheme: of the landmarks.

    Returns:
      The maps of the landmarks, and those of the boundaries if boundaries are predicted; see `targets.render`.
    """
    return targets.render(
        points,
        _boundaries(heatmaps, scheme),
        config.input.size,
        heatmaps.shape[1],
        config.loss.sigma,
        config.loss.truncate,
    )


def _boundaries(heatmaps: jax.Array | jax.ShapeDtypeStruct, scheme: Scheme) -> tuple[tuple[int, ...], ...]:
    """Those that have channels, after the landmarks'."""
    return scheme.boundaries if heatmaps.shape[-1] > scheme.num_points else ()
