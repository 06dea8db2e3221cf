"""Transformer of LOTR: attention, encoder and decoder layers, and 2-D position encodings.

Tokens are [batch, tokens, dim]. Each residual sum is normalised (post-norm), as in Vaswani et al. (2017) and DETR
(arXiv 2005.12872). The position encoding is added to the queries and keys of the attention, not to the values.
Parameters, softmax and normalisation statistics are float32.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.extend.backend import get_backend

LAYER_NORM_EPSILON = 1e-5  # as in PyTorch
SINE_PERIOD = 10_000.0  # as in DETR

HE = nn.initializers.he_normal()


def learned_position(module: nn.Module, height: int, width: int, dim: int) -> jax.Array:
    """Returns a learned position encoding: a vector of the row and a vector of the column, concatenated.

    Args:
      module: compact module that owns the parameters `position_rows` and `position_columns`.
      height: number of rows of the map.
      width: number of columns of the map.
      dim: number of channels of the encoding, even.

    Returns:
      Encoding, float32 [height * width, dim]; its initial values are normally distributed.
    """
    rows = module.param("position_rows", nn.initializers.normal(1.0), (height, dim // 2))
    columns = module.param("position_columns", nn.initializers.normal(1.0), (width, dim // 2))
    return _grid(rows, columns)


def sine_position(module: nn.Module, height: int, width: int, dim: int) -> jax.Array:
    """Returns the fixed position encoding of DETR: sines and cosines of row and column numbers scaled to 0 .. 2 pi.

    Args:
      module: unused module; the encoding has no parameters.
      height: number of rows of the map.
      width: number of columns of the map.
      dim: number of channels of the encoding, a multiple of 4.

    Returns:
      Encoding, float32 [height * width, dim]: alternating sines and cosines of the row, then those of the column.
    """
    del module
    exponents = jnp.arange(0, dim // 2, 2) / (dim // 2)
    frequencies = SINE_PERIOD**-exponents  # [dim / 4]

    def encode(count: int) -> jax.Array:
        positions = 2 * jnp.pi * jnp.arange(1, count + 1) / count
        angles = positions[:, None] * frequencies  # [count, dim / 4]
        return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(count, dim // 2)

    return _grid(encode(height), encode(width))


def _grid(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Returns the encodings of all pixels, row by row: [height, c], [width, c] -> [height * width, 2 c]."""
    shape = (len(rows), len(columns), rows.shape[-1])
    encodings = (jnp.broadcast_to(rows[:, None], shape), jnp.broadcast_to(columns[None], shape))
    return jnp.concatenate(encodings, axis=-1).reshape(len(rows) * len(columns), -1)


POSITIONS: dict[str, Callable[[nn.Module, int, int, int], jax.Array]] = {
    "learned": learned_position,
    "sine": sine_position,
}


class Attention(nn.Module):
    """Multi-head scaled dot-product attention with an output projection.

    If the collection 'intermediates' is mutable, the module stores the attention weights [batch, heads, queries, keys]
    in it as 'weights'. It computes them separately, since a fused implementation does not return them.

    Attributes:
      heads: number of heads, a divisor of `dim`.
      dtype: compute dtype.
    """

    heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None
    ) -> jax.Array:
        """Returns the attended values: [batch, queries, dim], twice [batch, keys, dim] -> [batch, queries, dim].

        A query attends to the keys for which `mask`, bool [queries, keys], is true; None stands for all keys.
        """
        dim = query.shape[-1]
        query, key, value = (
            projected(x, self.heads, self.dtype, name)
            for name, x in (("query", query), ("key", key), ("value", value))
        )
        if self.is_mutable_collection("intermediates"):
            self.sow("intermediates", "weights", attention_weights(query, key, mask))
        # [queries, keys] -> [1, 1, queries, keys]
        mask = None if mask is None else mask[None, None]
        out = jax.nn.dot_product_attention(
            query, key, value, mask=mask, implementation=_implementation(query)
        )
        # [batch, queries, heads, dim / heads] -> [batch, queries, dim]
        return nn.Dense(dim, dtype=self.dtype, kernel_init=HE, name="out")(out.reshape(*out.shape[:2], dim))


def projected(x: jax.Array, heads: int, dtype: jnp.dtype, name: str) -> jax.Array:
    """Returns a dense layer's output for each head: [batch, tokens, dim] -> [batch, tokens, heads, dim / heads]."""
    dim = x.shape[-1]
    x = nn.Dense(dim, dtype=dtype, kernel_init=HE, name=name)(x)
    return x.reshape(*x.shape[:2], heads, dim // heads)


def attention_weights(query: jax.Array, key: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Returns attention weights, float32 [batch, heads, queries, keys].

    Args:
      query: queries [batch, queries, heads, depth].
      key: keys [batch, keys, heads, depth].
      mask: where a query attends to a key, bool [queries, keys]; None stands for everywhere.
    """
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    return nn.softmax(scores / query.shape[-1] ** 0.5)


def _implementation(query: jax.Array) -> str | None:
    """Returns "cudnn" if cuDNN supports the query [batch, ..., depth], otherwise None, which selects XLA.

    The fused attention of cuDNN supports bfloat16 with up to 128 channels per head. On several devices it requires the
    same sharding for query, key and value, which the decoder does not provide. An export has a symbolic batch size and
    must run on all platforms, so it uses XLA.
    """
    if not isinstance(query.shape[0], int):
        return None
    on_cuda = "cuda" in get_backend().platform_version.lower() and jax.device_count() == 1
    depth = query.shape[-1]
    supported = query.dtype == jnp.bfloat16 and depth % 8 == 0 and depth <= 128
    return "cudnn" if on_cuda and supported else None


class FeedForward(nn.Module):
    """Two dense layers with a ReLU between them, applied to each token.

    Attributes:
      width: width of the hidden layer.
      dropout: dropout rate after the hidden layer.
      dtype: compute dtype.
    """

    width: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the transformed tokens: [batch, tokens, dim] -> the same shape."""
        hidden = nn.relu(nn.Dense(self.width, dtype=self.dtype, kernel_init=HE, name="hidden")(x))
        hidden = nn.Dropout(self.dropout, deterministic=not train)(hidden)
        return nn.Dense(x.shape[-1], dtype=self.dtype, kernel_init=HE, name="out")(hidden)


class ResidualLayer(nn.Module):
    """Base class of encoder and decoder layers: each sublayer adds its output to its input and normalises the sum.

    Attributes:
      heads: number of heads of each attention layer.
      width: width of the hidden layer of the feed-forward network.
      dropout: dropout rate after each sublayer and after the hidden layer.
      dtype: compute dtype.
    """

    heads: int
    width: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.nowrap
    def _attend(
        self,
        name: str,
        x: jax.Array,
        train: bool,
        query: jax.Array,
        key: jax.Array,
        value: jax.Array,
        mask: jax.Array | None = None,
    ) -> jax.Array:
        """Returns the normalised sum of x [batch, tokens, dim] and the output of an attention."""
        attended = Attention(self.heads, self.dtype, name=name)(query, key, value, mask)
        return self._add(name, x, attended, train)

    @nn.nowrap
    def _feed_forward(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the normalised sum of x [batch, tokens, dim] and the output of the feed-forward network."""
        network = FeedForward(self.width, self.dropout, self.dtype, name="feed_forward")
        return self._add("feed_forward", x, network(x, train), train)

    @nn.nowrap
    def _add(self, name: str, x: jax.Array, residual: jax.Array, train: bool) -> jax.Array:
        residual = nn.Dropout(self.dropout, deterministic=not train)(residual)
        return nn.LayerNorm(LAYER_NORM_EPSILON, dtype=self.dtype, name=f"{name}_norm")(x + residual)


class EncoderLayer(ResidualLayer):
    """Self-attention and feed-forward network, with the attributes of `ResidualLayer`."""

    @nn.compact
    def __call__(self, x: jax.Array, position: jax.Array, train: bool) -> jax.Array:
        """Returns the encoded tokens: [batch, tokens, dim], [tokens, dim] -> [batch, tokens, dim]."""
        positioned = x + position
        x = self._attend("attention", x, train, query=positioned, key=positioned, value=x)
        return self._feed_forward(x, train)


class DecoderLayer(ResidualLayer):
    """Self-attention, attention to the image and feed-forward network, with the attributes of `ResidualLayer`."""

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        memory: jax.Array,
        position: jax.Array,
        train: bool,
        mask: jax.Array | None = None,
    ) -> jax.Array:
        """Returns decoded queries: [batch, queries, dim], [batch, tokens, dim], [tokens, dim] -> shape of the first.

        `mask`, bool [queries, queries], is true where a query attends to another; None stands for all.
        """
        x = self._attend("self_attention", x, train, query=x, key=x, value=x, mask=mask)
        x = self._attend("cross_attention", x, train, query=x, key=memory + position, value=memory)
        return self._feed_forward(x, train)
