"""LOTR, the localization transformer: a backbone, a Transformer with one query per landmark and a landmark head.

Watchareeruetai et al., "LOTR: Face Landmark Localization Using Localization Transformer", IEEE Access 10 (2022)
16530-16543, arXiv 2109.10057. The paper does not state the width, the number of heads, the dropout rate or the sizes
of the up-sampling. This implementation uses the values of DETR.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.models.backbones import BACKBONES
from dsat_jax.models.backbones.blocks import STRIDE
from dsat_jax.models.layers import batch_norm, rematerialised
from dsat_jax.models.prediction import Prediction
from dsat_jax.models.resampling import TransposedConv
from dsat_jax.models.transformer import (
    HE,
    POSITIONS,
    DecoderLayer,
    EncoderLayer,
    attention_weights,
    projected,
)

QUERY_STD = 1e-4


class LOTR(nn.Module):
    """Network that regresses each landmark from a learned query, which attends to image features in a Transformer.

    Attributes:
      num_points: number of landmarks and of queries.
      groups: number of queries of each scheme of a joint scheme; the queries of a scheme do not attend to those of the
        others, so that the network of one scheme has the same output. Empty for a single scheme.
      backbone: name of the backbone, a key of `BACKBONES`.
      freeze_norm: whether the statistics, scale and bias of BatchNorm in the backbone are constant.
      upsamplings: number of transposed convolutions, each of which doubles the side of the feature map. The "+" models
        of the paper have two. These cost 0.2 G multiply-adds at 192 pixels, which is the difference between the paper's
        models with and without "+".
      dim: width of the Transformer.
      heads: number of heads of each attention layer.
      feed_forward: hidden width of the feed-forward networks.
      encoder_layers: number of encoder layers.
      decoder_layers: number of decoder layers.
      head_width: width of the two hidden layers of the landmark head.
      pointing: whether a landmark is at the position that its query points to, plus the output of the head. In the
        paper it is at the output of the head alone.
      position: position encoding, a key of `POSITIONS`.
      dropout: dropout rate in the Transformer.
      rematerialise: whether to recompute the activations of the backbone and of the Transformer layers in the backward
        pass instead of storing them.
      dtype: compute dtype; parameters, statistics, softmax and coordinates are float32.
    """

    num_points: int
    groups: tuple[int, ...]
    backbone: str
    freeze_norm: bool
    upsamplings: int
    dim: int
    heads: int
    feed_forward: int
    encoder_layers: int
    decoder_layers: int
    head_width: int
    pointing: bool
    position: str
    dropout: float
    rematerialise: bool
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> Prediction:
        """Returns the prediction for a batch of images.

        Args:
          images: normalised images, float32 [batch, S, S, 3]; S is a multiple of 32.
          train: whether to use batch statistics and dropout, with the random stream 'dropout'.

        Returns:
          Prediction with `points` from the last decoder layer and, from the earlier ones, `auxiliary_points`
          [batch, decoder_layers - 1, points, 2].

        Raises:
          UserError: if the size of the images or an attribute is invalid.
        """
        self._check(images)
        features = self._features(images.astype(self.dtype), train)
        batch, height, width, _ = features.shape
        position = choose(POSITIONS, self.position, "position")(self, height, width, self.dim).astype(
            self.dtype
        )
        layer = {"width": self.feed_forward, "dropout": self.dropout, "dtype": self.dtype}
        encoder, decoder = self._rematerialised(EncoderLayer), self._rematerialised(DecoderLayer)
        memory = features.reshape(batch, height * width, self.dim)
        for i in range(self.encoder_layers):
            memory = encoder(self.heads, **layer, name=f"encoder_{i + 1}")(memory, position, train)
        queries = self.param("queries", nn.initializers.normal(QUERY_STD), (self.num_points, self.dim))
        x = jnp.broadcast_to(queries.astype(self.dtype), (batch, self.num_points, self.dim))
        head = LandmarkHead(
            self.head_width, nn.initializers.zeros if self.pointing else HE, self.dtype, name="head"
        )
        pointer = Pointer(self.heads, self.dtype, name="pointer") if self.pointing else None
        points, mask = [], _same_group(self.groups) if self.groups else None
        for i in range(self.decoder_layers):
            x = decoder(self.heads, **layer, name=f"decoder_{i + 1}")(x, memory, position, train, mask)
            place = head(x) if pointer is None else head(x) + pointer(x, memory + position, height, width)
            points.append(from_relative(place, images.shape[1]))
        return Prediction(points=points[-1], auxiliary_points=jnp.stack(points, axis=1)[:, :-1])

    @nn.nowrap
    def _check(self, images: jax.Array) -> None:
        _, height, width, _ = images.shape
        if height != width or height % STRIDE:
            raise UserError(
                f"LOTR takes square images whose side is a multiple of {STRIDE} pixels, got {height}x{width}"
            )
        if self.dim <= 0 or self.heads <= 0 or self.dim % self.heads or self.dim % 4:
            raise UserError(
                f"LOTR's dim must be a positive multiple of 4 and of the number of heads, "
                f"got {self.dim} and {self.heads} heads"
            )
        for name, smallest in (("upsamplings", 0), ("encoder_layers", 0), ("decoder_layers", 1)):
            if getattr(self, name) < smallest:
                raise UserError(f"LOTR's {name} must be at least {smallest}, got {getattr(self, name)}")

    @nn.nowrap
    def _rematerialised(self, module: type[nn.Module]) -> type[nn.Module]:
        """Returns the module class, with recomputed activations if `rematerialise` is true."""
        return rematerialised(module) if self.rematerialise else module

    @nn.nowrap
    def _features(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns the projected features of the backbone: [batch, S, S, 3] -> [batch, side, side, dim].

        The side is S / 32, or S / 8 for an hourglass, doubled by each up-sampling.
        """
        backbone = choose(BACKBONES, self.backbone, "backbone")
        x = self._rematerialised(backbone)(frozen=self.freeze_norm, dtype=self.dtype, name="backbone")(
            images, train
        )
        x = nn.Dense(self.dim, dtype=self.dtype, kernel_init=HE, name="project")(x)
        for i in range(1, self.upsamplings + 1):
            x = TransposedConv(self.dim, HE, dtype=self.dtype, name=f"upsample_{i}")(x)
            x = nn.relu(batch_norm(train, f"upsample_norm_{i}", self.dtype)(x))
        return x


def _same_group(groups: tuple[int, ...]) -> jax.Array:
    """Returns whether two queries are of the same group, bool [queries, queries]."""
    group = np.repeat(np.arange(len(groups)), groups)
    return jnp.array(group[:, None] == group)


class LandmarkHead(nn.Module):
    """Perceptron, shared by all queries, from a query to a point: two hidden ReLU layers and two linear outputs.

    Attributes:
      width: width of the hidden layers.
      last_init: initial values of the output layer.
      dtype: compute dtype of the hidden layers; the coordinates are float32.
    """

    width: int
    last_init: nn.initializers.Initializer = HE
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns points relative to the input size: [batch, points, dim] -> float32 [batch, points, 2]."""
        for i in (1, 2):
            x = nn.relu(nn.Dense(self.width, dtype=self.dtype, kernel_init=HE, name=f"hidden_{i}")(x))
        return nn.Dense(2, kernel_init=self.last_init, name="out")(x.astype(jnp.float32))


class Pointer(nn.Module):
    """Mean position of the tokens that a query points to: an attention whose values are the positions themselves.

    A Transformer that is to read positions out of features and encodings learns them slowly; this is soft-argmax, as in
    DSAT, over what the query selects.

    Attributes:
      heads: number of heads, a divisor of the number of channels; the position is their mean.
      dtype: compute dtype of the products; the positions are float32.
    """

    heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, tokens: jax.Array, height: int, width: int) -> jax.Array:
        """Returns positions relative to the input size.

        Args:
          x: decoded queries [batch, points, dim].
          tokens: tokens of the image with their position encoding [batch, height * width, dim], row by row.
          height: number of rows of the map.
          width: number of columns of the map.

        Returns:
          Positions x, y, float32 [batch, points, 2], within the centres of the outermost tokens.
        """
        weights = attention_weights(
            projected(x, self.heads, self.dtype, "query"), projected(tokens, self.heads, self.dtype, "key")
        )  # [batch, heads, points, tokens]
        self.sow("intermediates", "weights", weights)
        columns, rows = jnp.meshgrid((jnp.arange(width) + 0.5) / width, (jnp.arange(height) + 0.5) / height)
        centres = jnp.stack([columns, rows], axis=-1).reshape(height * width, 2)
        return jnp.einsum("bhpt,tc->bpc", weights, centres) / self.heads


def from_relative(points: jax.Array, size: int) -> jax.Array:
    """Converts relative points to input pixels; (0, 0) is the top left and (1, 1) the bottom right of the input."""
    return points * size - 0.5  # pixel centres are at integers: the top left corner is at (-0.5, -0.5)


def attention_maps(model: LOTR, variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
    """Returns the attention weights from each landmark query to the image, of the pointer or the last decoder layer.

    Args:
      model: LOTR module.
      variables: collections 'params' and 'batch_stats' of the model.
      images: normalised images, float32 [batch, S, S, 3].

    Returns:
      Weights, float32 [batch, heads, points, height, width]; the weights of a map sum to 1.
    """
    _, updates = model.apply(variables, images, train=False, mutable=["intermediates"])
    if model.pointing:
        weights = updates["intermediates"]["pointer"]["weights"][-1]
    else:
        (weights,) = updates["intermediates"][f"decoder_{model.decoder_layers}"]["cross_attention"]["weights"]
    # weights: [batch, heads, points, height * width]
    side = math.isqrt(weights.shape[-1])
    return weights.reshape(*weights.shape[:3], side, side)
