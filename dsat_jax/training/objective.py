"""The training objective: the weighted sum of the losses that a configuration names."""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from dsat_jax import losses, targets
from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import Scheme, parts_of


def total_loss(
    prediction: Prediction, points: jax.Array, weights: jax.Array, config: ConfigDict, scheme: Scheme
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Returns the loss of a batch and its parts.

    A part is computed only if its weight in `config.loss` is positive.

    Args:
      prediction: model's output in training mode.
      points: float32 [batch, points, 2], labels in input pixels.
      weights: float32 [batch, points], 0 where a label is unknown.
      config: run's configuration.
      scheme: scheme of the landmarks.

    Returns:
      The loss, float32 scalar, and its parts by name, each before its weight is applied.

    Raises:
      UserError: if a part with a positive weight needs an output that the model lacks, or if no part has a positive
        weight.
    """
    parts = {}
    if config.loss.heatmap > 0:
        parts["heatmap"] = _heatmap_part(prediction, points, weights, config, scheme)
    if config.loss.coordinates > 0:
        penalty = choose(losses.PENALTIES, config.loss.penalty, "penalty")
        parts["coordinates"] = losses.coordinate_loss(
            prediction.points, points, weights, penalty, _counted(scheme)
        )
    if config.loss.auxiliary > 0:
        parts["auxiliary"] = _auxiliary_part(prediction, points, weights, config, scheme)
    if config.loss.sparsity > 0:
        if prediction.gates is None:
            raise UserError("config.loss.sparsity is positive, but the model has no gate")
        parts["sparsity"] = prediction.gates.astype(jnp.float32).mean()
    if not parts:
        raise UserError("config.loss gives no part a positive weight, so there is nothing to minimise")
    return sum(config.loss[name] * part for name, part in parts.items()), parts


def _counted(scheme: Scheme) -> int:
    """Returns the number of landmarks for which a face counts in the coordinate loss: in a joint scheme, of its first.

    The weights of the losses then mean the same in a joint scheme as in that of one dataset.
    """
    return parts_of(scheme)[0].scheme.num_points


def _auxiliary_part(
    prediction: Prediction, points: jax.Array, weights: jax.Array, config: ConfigDict, scheme: Scheme
) -> jax.Array:
    """Returns the coordinate penalty, summed over the layers before the last."""
    if prediction.auxiliary_points is None or prediction.auxiliary_points.shape[1] == 0:
        raise UserError(
            "config.loss.auxiliary is positive, but no layer before the model's last predicts points"
        )
    penalty = choose(losses.PENALTIES, config.loss.penalty, "penalty")
    layers = jnp.moveaxis(prediction.auxiliary_points, 1, 0)  # [layers, batch, points, 2]
    return sum(losses.coordinate_loss(layer, points, weights, penalty, _counted(scheme)) for layer in layers)


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
    """Returns the target heatmaps of a batch.

    Args:
      heatmaps: predicted heatmaps [batch, size, size, channels]; only their shape is used.
      points: float32 [batch, points, 2], labels in input pixels.
      config: run's configuration.
      scheme: scheme of the landmarks.

    Returns:
      The heatmaps of the landmarks, and those of the boundaries if boundaries are predicted; see `targets.render`.
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
    """Returns the boundaries that have heatmaps; their channels follow those of the landmarks."""
    return scheme.boundaries if heatmaps.shape[-1] > scheme.num_points else ()
