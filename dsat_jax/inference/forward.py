"""The forward pass from face crops to landmarks, shared by evaluation, prediction and export."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import decode, geometry, preprocess, schemes
from dsat_jax.config import choose
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.models.prediction import Prediction
from dsat_jax.runtime import sharding
from dsat_jax.schemes import Scheme, conversion_indices

Forward = Callable[[Mapping[str, Any], jax.Array], Landmarks]


def make_forward(model: nn.Module, config: ConfigDict, scheme: Scheme, mirror: bool) -> Forward:
    """Returns the function from uint8 crops to landmarks, to be jitted.

    With `mirror` the prediction is averaged with that for the mirrored crops. The heatmaps are averaged
    (with landmark and boundary channels swapped), or the points if the model has no heatmaps or the decoder is
    soft_argmax. Training on soft_argmax points determines the means of the heatmaps but not their form, so that the
    heatmaps of a face and of its mirror image differ more than their means do.

    Args:
      model: module from `models.build`.
      config: configuration of the run.
      scheme: scheme of the landmarks.
      mirror: whether to average with the mirrored crops.

    Returns:
      A function of variables and images (uint8 [batch, size, size, 3]).
    """
    decoder = choose(decode.DECODERS, config.evaluate.decoder, "decoder")

    def forward(variables: Mapping[str, Any], images: jax.Array) -> Landmarks:
        inputs = preprocess.normalise(preprocess.to_unit_range(images), config.input.mean, config.input.std)
        if mirror:
            # Each crop is followed by its mirror image, so that both are on the same device.
            pairs = jnp.stack([inputs, inputs[:, :, ::-1]], axis=1)  # [batch, 2, size, size, 3]
            both = model.apply(variables, pairs.reshape(-1, *inputs.shape[1:]), train=False)
            prediction = _average_mirrored(both, config.input.size, scheme)
        else:
            prediction = model.apply(variables, inputs, train=False)
        if prediction.heatmaps is None:
            return Landmarks(prediction.points, None, prediction.gates)
        heatmaps = prediction.heatmaps[..., : scheme.num_points]
        points = prediction.points  # decoded by soft_argmax
        if decoder is not decode.soft_argmax:
            points = decode.to_input_pixels(decoder(heatmaps), config.input.size / heatmaps.shape[1])
        return Landmarks(points, decode.peak_values(heatmaps), prediction.gates)

    return forward


def in_scheme(forward: Forward, source: Scheme, target: Scheme) -> Forward:
    """Returns a forward pass whose landmarks are converted to another scheme.

    Args:
      forward: forward pass, made by `make_forward`.
      source: scheme of the landmarks that `forward` returns.
      target: scheme of the converted landmarks.

    Raises:
      UserError: if the source cannot be converted to the target.
    """
    indices = conversion_indices(source, target)

    def converted(variables: Mapping[str, Any], images: jax.Array) -> Landmarks:
        landmarks = forward(variables, images)
        confidence = None if landmarks.confidence is None else landmarks.confidence[:, indices]
        return landmarks._replace(points=landmarks.points[:, indices], confidence=confidence)

    return converted


def jit_forward(
    model: nn.Module,
    config: ConfigDict,
    mesh: Mesh,
    target: Scheme | None = None,
    mirror: bool | None = None,
) -> Forward:
    """Returns the jitted forward pass on a mesh; its results are replicated, so that every process has all faces.

    Args:
      model: module from `models.build_for`.
      config: configuration of the run.
      mesh: mesh from `sharding.make_mesh`.
      target: scheme to convert the landmarks to; None keeps the scheme of the run.
      mirror: whether to average with the mirrored crops; None for `config.evaluate.mirror`.

    Raises:
      UserError: if the landmarks cannot be converted.
    """
    scheme = schemes.find(config.data.scheme)
    forward = make_forward(model, config, scheme, config.evaluate.mirror if mirror is None else mirror)
    if target is not None and target != scheme:
        forward = in_scheme(forward, scheme, target)

    def gathering(variables: Mapping[str, Any], images: jax.Array) -> Landmarks:
        return forward(sharding.gathered(variables, mesh), images)

    return jax.jit(
        sharding.traced_on(mesh, gathering),
        in_shardings=(None, sharding.split_batch(mesh)),  # None keeps the sharding of the variables
        out_shardings=sharding.replicated(mesh),
    )


def _average_mirrored(both: Prediction, size: int, scheme: Scheme) -> Prediction:
    """Averages the predictions of a batch in which each crop is followed by its mirror image."""
    points, mirrored_points = _pairs(both.points)
    unmirrored = geometry.mirror_points(mirrored_points, size, scheme.mirror_permutation)
    heatmaps = both.heatmaps
    if heatmaps is not None:
        heatmaps, mirrored = _pairs(heatmaps)
        permutation = scheme.channel_mirror_permutation[: heatmaps.shape[-1]]
        heatmaps = (heatmaps + mirrored[:, :, ::-1][..., permutation]) / 2
    gates = None if both.gates is None else _pairs(both.gates)[0]
    return Prediction(points=(points + unmirrored) / 2, heatmaps=heatmaps, gates=gates)


def _pairs(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the even and the odd rows: [2 batch, ...] -> twice [batch, ...]."""
    pairs = rows.reshape(-1, 2, *rows.shape[1:])
    return pairs[:, 0], pairs[:, 1]
