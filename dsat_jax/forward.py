"""One face crop to landmarks: the forward pass that evaluation, prediction and export share."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from dsat_jax import augment, decode, geometry
from dsat_jax.choices import choose
from dsat_jax.landmarks import Landmarks
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import Scheme, conversion_indices

Forward = Callable[[Mapping[str, Any], jax.Array], Landmarks]


def make_forward(model: nn.Module, config: ConfigDict, scheme: Scheme) -> Forward:
    """The function from uint8 crops to landmarks, ready for jit.

    With `config.evaluate.mirror` the prediction is averaged with that of the mirrored crops: their heatmaps (landmark
    and boundary channels swapped), or their points where the model has no heatmaps, or where they are read by
    soft_argmax. A network that was trained on those points is free in the form of its heatmaps, and those of a face
    and of its mirror image differ more than their means.

    Args:
      model: as made by `models.build`.
      config: the run's configuration.
      scheme: of the landmarks.

    Returns:
      A function of variables and images (uint8 [batch, size, size, 3]).
    """
    decoder = choose(decode.DECODERS, config.evaluate.decoder, "decoder")

    def forward(variables: Mapping[str, Any], images: jax.Array) -> Landmarks:
        inputs = augment.normalise(augment.to_unit_range(images), config.input.mean, config.input.std)
        if config.evaluate.mirror:
            both = model.apply(variables, jnp.concatenate([inputs, inputs[:, :, ::-1]]), train=False)
            prediction = _average_mirrored(both, config.input.size, scheme)
        else:
            prediction = model.apply(variables, inputs, train=False)
        if prediction.heatmaps is None:
            return Landmarks(prediction.points, None, prediction.gates)
        heatmaps = prediction.heatmaps[..., : scheme.num_points]
        points = prediction.points  # of soft_argmax
        if decoder is not decode.soft_argmax:
            points = decode.to_input_pixels(decoder(heatmaps), config.input.size / heatmaps.shape[1])
        return Landmarks(points, decode.peak_values(heatmaps), prediction.gates)

    return forward


def in_scheme(forward: Forward, source: Scheme, target: Scheme) -> Forward:
    """A forward pass whose landmarks are converted to another scheme.

    Args:
      forward: from `make_forward`.
      source: scheme of its landmarks.
      target: scheme to convert them to.

    Raises:
      ValueError: if the source cannot be converted to the target.
    """
    indices = conversion_indices(source, target)

    def converted(variables: Mapping[str, Any], images: jax.Array) -> Landmarks:
        found = forward(variables, images)
        confidence = None if found.confidence is None else found.confidence[:, indices]
        return found._replace(points=found.points[:, indices], confidence=confidence)

    return converted


def _average_mirrored(both: Prediction, size: int, scheme: Scheme) -> Prediction:
    """Averages the first half of a batch with its second half, which is the mirrored first."""
    points, mirrored_points = jnp.split(both.points, 2)
    unmirrored = geometry.mirror_points(mirrored_points, size, scheme.mirror_permutation)
    heatmaps = both.heatmaps
    if heatmaps is not None:
        heatmaps, mirrored = jnp.split(heatmaps, 2)
        permutation = scheme.channel_mirror_permutation[: heatmaps.shape[-1]]
        heatmaps = (heatmaps + mirrored[:, :, ::-1][..., permutation]) / 2
    gates = None if both.gates is None else jnp.split(both.gates, 2)[0]
    return Prediction(points=(points + unmirrored) / 2, heatmaps=heatmaps, gates=gates)
