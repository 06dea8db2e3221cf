"""Pallas kernels of the attention between channels, for TPUs.

A kernel computes the maps of a block of rows from the queries, keys and values, uses them and discards them. The maps
are transposed, [all_channels, rows], so that products with [tokens, channels] arrays need no transposition of a map,
and sums over a row are sums of vector registers. A block holds all columns, so that its softmax is exact in one pass.

Dropout generates the bits of `jax.random.bits` (Threefry, partitionable) from the position of an element. One random
number has the bytes of four adjacent columns. To keep the quarters of a block whole, columns are grouped by the byte
that they use: first 0, 4, 8 and so on, then 1, 5, 9.

`faces` and `words` are in scalar memory, the other arguments in vector memory.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry


def forward(
    dropout: float,
    faces: Any,
    words: Any,
    query: Any,
    key: Any,
    value: Any,
    context: Any,
    log_total: Any,
) -> None:
    """Writes the attended values and the log-sum-exp of each row of scores.

    Args:
      dropout: share of the attention map that is set to zero.
      faces: numbers of the faces [batch].
      words: words of the random keys [heads, scales, 2].
      query: queries [tokens, rows].
      key: keys [tokens, all_channels].
      value: values [tokens, all_channels].
      context: attended values, output [tokens, rows].
      log_total: log-sum-exp of the scores, output [1, rows].
    """
    scores = _product(key[...], query[...], 0, 0)  # [all_channels, rows]
    highest = scores.max(axis=0, keepdims=True)
    weights = jnp.exp(scores - highest)
    total = weights.sum(axis=0, keepdims=True)
    if dropout:
        weights = jnp.where(_kept(dropout, faces, words, weights.shape), weights, 0)
    attended = _product(value[...], weights.astype(value.dtype), 1, 0)
    context[...] = attended / ((1 - dropout) * total)
    log_total[...] = highest + jnp.log(total)


def backward(
    dropout: float,
    faces: Any,
    words: Any,
    query: Any,
    key: Any,
    value: Any,
    context: Any,
    log_total: Any,
    d_context: Any,
    d_query: Any,
    d_key: Any,
    d_value: Any,
) -> None:
    """Writes the gradient of the queries of a block, and adds those of its keys and values to their sums.

    Args: see `forward` and `channel_attention._map_backward`; gradients have the shapes of their arrays.
    """

    @pl.when((pl.program_id(2) == 0) & (pl.program_id(3) == 0))
    def _() -> None:
        d_key[...] = jnp.zeros_like(d_key)
        d_value[...] = jnp.zeros_like(d_value)

    dtype = value.dtype
    attention = jnp.exp(_product(key[...], query[...], 0, 0) - log_total[...])  # [all_channels, rows]
    row_sum = (d_context[...] * context[...]).sum(axis=0, keepdims=True)
    d_attended = (d_context[...] / (1 - dropout)).astype(dtype)
    d_attention = _product(value[...], d_attended, 0, 0)  # [all_channels, rows]
    dropped = attention
    if dropout:
        kept = _kept(dropout, faces, words, attention.shape)
        dropped, d_attention = jnp.where(kept, attention, 0), jnp.where(kept, d_attention, 0)
    d_scores = (attention * (d_attention - row_sum)).astype(dtype)
    d_query[...] = _product(key[...], d_scores, 1, 0)
    d_key[...] += _product(query[...], d_scores, 1, 1)
    d_value[...] += _product(d_attended, dropped.astype(dtype), 1, 1)


def _product(left: jax.Array, right: jax.Array, left_axis: int, right_axis: int) -> jax.Array:
    """Returns the float32 product of two matrices, summed over an axis of each."""
    dimensions = (((left_axis,), (right_axis,)), ((), ()))
    return jax.lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)


def _kept(dropout: float, faces: Any, words: Any, shape: tuple[int, int]) -> jax.Array:
    """Returns which elements of a block remain after dropout: those of `channel_attention._dropped`.

    Args:
      dropout: share of the elements that are dropped.
      faces: numbers of the faces [batch].
      words: words of the random keys [heads, scales, 2].
      shape: shape of the block (all_channels, rows), whose columns of the map are grouped.
    """
    face, head, scale, block = map(pl.program_id, range(4))
    count, rows = shape[0] // 4, shape[1]  # random numbers of a row, and rows of the block
    all_rows = rows * pl.num_programs(3)
    row = jax.lax.broadcasted_iota(jnp.int32, (count, rows), 1) + block * rows
    row = row.astype(jnp.uint32) + faces[face] * jnp.uint32(all_rows)
    counter = row * jnp.uint32(count) + jax.lax.broadcasted_iota(jnp.uint32, (count, rows), 0)
    bits = _random_bits(words[head, scale, 0], words[head, scale, 1], counter)
    random_bytes = jnp.concatenate([(bits >> (8 * i)) & 255 for i in range(4)])
    return random_bytes.astype(jnp.int32) >= round(256 * dropout)


def _random_bits(first: jax.Array, second: jax.Array, counter: jax.Array) -> jax.Array:
    """Returns the uint32 numbers of `jax.random.bits` at some positions, for a key of two words.

    Source: Threefry-2x32 with 20 rounds, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Like
    JAX, it encrypts a counter of two words, here (0, position), and returns the exclusive or of the two results.
    """
    keys = (first, second, first ^ second ^ jnp.uint32(0x1BD11BDA))
    high, low = jnp.full_like(counter, first), counter + second
    for i in range(5):
        for rotation in _ROTATIONS[i % 2]:
            high = high + low
            low = ((low << rotation) | (low >> (32 - rotation))) ^ high
        high = high + keys[(i + 1) % 3]
        low = low + keys[(i + 2) % 3] + jnp.uint32(i + 1)
    return high ^ low
