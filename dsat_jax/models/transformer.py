"""The Transformer of LOTR: attention, encoder and decoder layers, and 2-D position encodings.

Tokens are [batch, tokens, dim]. Layers normalise after each residual sum, as in Vaswani et al. (2017) and DETR
(arXiv 2005.12872). A position encoding is added where attention compares, to query and key, and not to what it
averages. Parameters are float32; softmax and normalisation statistics are computed in float32.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.extend.backend import get_backend

LAYER_NORM_EPSILON = 1e-5  # PyTorch's
SINE_PERIOD = 10_000.0  # DETR's

HE = nn.initializers.he_normal()


def learned_position(module: nn.Module, height: int, width: int, dim: int) -> jax.Array:
    """A position encoding that is learned: one vector for each row and one for each column, side by side.

    Args:
      module: a compact module that gets the parameters `position_rows` and `position_columns`.
      height: rows of the map.
      width: columns of the map.
      dim: channels of the encoding; even.

    Returns:
      float32 [height * width, dim], normally distributed at first.
    """
    rows = module.param("position_rows", nn.initializers.normal(1.0), (height, dim // 2))
    columns = module.param("position_columns", nn.initializers.normal(1.0), (width, dim // 2))
    return _grid(rows, columns)


def sine_position(module: nn.Module, height: int, width: int, dim: int) -> jax.Array:
    """The fixed position encoding of DETR: sines and cosines of the row and the column, scaled to 2 pi.

    Args:
      module: ignored; nothing is learned.
      height: rows of the map.
      width: columns of the map.
      dim: channels of the encoding; a multiple of 4.

    Returns:
      float32 [height * width, dim]: sine and cosine of the row in turns, then those of the column.
    """
    del module
    exponents = jnp.arange(0, dim // 2, 2) / (dim // 2)
    frequencies = SINE_PERIOD**-exponents  # [dim / 4]

    def encode(count: int) -> jax.Array:
        places = 2 * jnp.pi * jnp.arange(1, count + 1) / count
        angles = places[:, None] * frequencies  # [count, dim / 4]
        return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(count, dim // 2)

    return _grid(encode(height), encode(width))


def _grid(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """[height, c], [width, c] -> [height * width, 2 c], row by row."""
    shape = (len(rows), len(columns), rows.shape[-1])
    both = (jnp.broadcast_to(rows[:, None], shape), jnp.broadcast_to(columns[None], shape))
    return jnp.concatenate(both, axis=-1).reshape(len(rows) * len(columns), -1)


POSITIONS: dict[str, Callable[[nn.Module, int, int, int], jax.Array]] = {
    "learned": learned_position,
    "sine": sine_position,
}


class Attention(nn.Module):
    """Multi-head scaled dot-product attention with an output projection.

    The weights [batch, heads, queries, keys] are sown as 'weights' into the collection 'intermediates', where that
    is mutable; otherwise a fused implementation may never hold them.

    Attributes:
      heads: number of heads; divides the width of the query.
      dtype: compute dtype.
    """

    heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        """[batch, queries, dim] and twice [batch, keys, dim] -> [batch, queries, dim]."""
        dim = query.shape[-1]
        query, key, value = (
            # [batch, tokens, dim] -> [batch, tokens, heads, dim / heads]
            nn.Dense(dim, dtype=self.dtype, kernel_init=HE, name=name)(x).reshape(
                *x.shape[:2], self.heads, dim // self.heads
            )
            for name, x in (("query", query), ("key", key), ("value", value))
        )
        if self.is_mutable_collection("intermediates"):
            self.sow("intermediates", "weights", _attention_weights(query, key))
        out = jax.nn.dot_product_attention(query, key, value, implementation=_implementation(query))
        # [batch, queries, heads, dim / heads] -> [batch, queries, dim]
        return nn.Dense(dim, dtype=self.dtype, kernel_init=HE, name="out")(out.reshape(*out.shape[:2], dim))


def _attention_weights(query: jax.Array, key: jax.Array) -> jax.Array:
    """Twice [batch, tokens, heads, depth] -> [batch, heads, queries, keys], which sum to 1 over the keys."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32)
    return nn.softmax(scores / query.shape[-1] ** 0.5)


def _implementation(query: jax.Array) -> str | None:
    """cuDNN's fused attention where it knows the query [batch, ..., depth]: half precision, up to 128 channels a head.

    On several devices it wants query, key and value sharded alike, which those of a decoder are not: there, and on
    every other platform, XLA's implementation serves. So it does in an export, which is for all platforms, and whose
    batch has no size yet.
    """
    if not isinstance(query.shape[0], int):
        return None
    on_cuda = "cuda" in get_backend().platform_version.lower() and jax.device_count() == 1
    depth = query.shape[-1]
    known = query.dtype == jnp.bfloat16 and depth % 8 == 0 and depth <= 128
    return "cudnn" if on_cuda and known else None


class FeedForward(nn.Module):
    """Two dense layers with a ReLU between, for each token.

    Attributes:
      width: of the hidden layer.
      dropout: rate on the hidden layer.
      dtype: compute dtype.
    """

    width: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, tokens, dim] -> the same shape."""
        hidden = nn.relu(nn.Dense(self.width, dtype=self.dtype, kernel_init=HE, name="hidden")(x))
        hidden = nn.Dropout(self.dropout, deterministic=not train)(hidden)
        return nn.Dense(x.shape[-1], dtype=self.dtype, kernel_init=HE, name="out")(hidden)


class ResidualLayer(nn.Module):
    """What encoder and decoder layers share: each part is added to its input and the sum normalised.

    Attributes:
      heads: of every attention.
      width: of the feed-forward network's hidden layer.
      dropout: rate on what each part adds, and on the hidden layer.
      dtype: compute dtype.
    """

    heads: int
    width: int
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.nowrap
    def _attend(
        self, name: str, x: jax.Array, train: bool, query: jax.Array, key: jax.Array, value: jax.Array
    ) -> jax.Array:
        """Adds an attention's result to x [batch, tokens, dim]."""
        return self._add(name, x, Attention(self.heads, self.dtype, name=name)(query, key, value), train)

    @nn.nowrap
    def _feed_forward(self, x: jax.Array, train: bool) -> jax.Array:
        """Adds the feed-forward network's result to x [batch, tokens, dim]."""
        network = FeedForward(self.width, self.dropout, self.dtype, name="feed_forward")
        return self._add("feed_forward", x, network(x, train), train)

    @nn.nowrap
    def _add(self, name: str, x: jax.Array, change: jax.Array, train: bool) -> jax.Array:
        change = nn.Dropout(self.dropout, deterministic=not train)(change)
        return nn.LayerNorm(LAYER_NORM_EPSILON, dtype=self.dtype, name=f"{name}_norm")(x + change)


class EncoderLayer(ResidualLayer):
    """Self-attention, then a feed-forward network. For the attributes see `ResidualLayer`."""

    @nn.compact
    def __call__(self, x: jax.Array, position: jax.Array, train: bool) -> jax.Array:
        """[batch, tokens, dim] and [tokens, dim] -> [batch, tokens, dim]."""
        placed = x + position
        x = self._attend("attention", x, train, query=placed, key=placed, value=x)
        return self._feed_forward(x, train)


class DecoderLayer(ResidualLayer):
    """Self-attention of the queries, attention to the image, feed-forward network. See `ResidualLayer`."""

    @nn.compact
    def __call__(self, x: jax.Array, memory: jax.Array, position: jax.Array, train: bool) -> jax.Array:
        """Queries [batch, queries, dim], encoded image [batch, tokens, dim], [tokens, dim] -> queries."""
        x = self._attend("self_attention", x, train, query=x, key=x, value=x)
        x = self._attend("cross_attention", x, train, query=x, key=memory + position, value=memory)
        return self._feed_forward(x, train)
