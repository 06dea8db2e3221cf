"""Pallas kernels of the attention between channels, for TPUs.

A kernel computes the maps of a block of rows from the queries, keys and values, uses them and discards them. The maps
are transposed, [all_channels, rows], so that products with [tokens, channels] arrays need no transposition of a map,
and sums over a row are sums of vector registers. A block holds all columns, so that its softmax is exact in one pass.

Dropout generates the bits of `jax.random.bits` (Threefry, partitionable) from the position of an element. One random
number has the bytes of four adjacent columns. To keep the quarters of a block whole, columns are grouped by the byte
that they use: first 0, 4, 8 and so on, then 1, 5, 9.

`faces` and `words` are in scalar memory, the other arguments of a kernel in vector memory.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

# Four bytes of a random number belong to four columns of the map. A quarter of the columns is a multiple of the 16
# sublanes of a bfloat16 register, so that the quarters join without shifts.
_COLUMN_MULTIPLE = 64
_LANES = 128
# Elements of the block of a map: 1 MB in float32. With it, the backward kernel takes 2.1 MB of the VMEM of a v5e.
_BLOCK_ELEMENTS = 2**18
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry


def fits(tokens: int, channels: int, all_channels: int) -> bool:
    """Returns whether the kernels support these shapes.

    They need a multiple of 64 columns, and a block of all rows, or of a multiple of 128 rows that divides them, with
    2**18 elements at most.

    Args:
      tokens: number of tokens; any number fits.
      channels: number of rows of a map.
      all_channels: number of columns.
    """
    return all_channels % _COLUMN_MULTIPLE == 0 and _block_rows(channels, all_channels) > 0


def forward(
    dropout: float, faces: jax.Array, words: jax.Array, query: jax.Array, key: jax.Array, value: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the attended values and the log-sum-exp of each row of scores, both float32.

    Args:
      dropout: share of the attention map that is set to zero.
      faces: numbers of the faces in the whole batch, uint32 [batch].
      words: words of the random keys, uint32 [heads, scales, 2].
      query: queries [batch, heads, scales, tokens, channels].
      key: keys [batch, heads, tokens, all_channels]; with dropout, columns are grouped.
      value: values, like the keys.
    """
    log_total = jax.ShapeDtypeStruct((*query.shape[:3], 1, query.shape[-1]), jnp.float32)
    outputs = (jax.ShapeDtypeStruct(query.shape, jnp.float32), log_total)
    kernel = functools.partial(_forward_kernel, dropout)
    return _run(kernel, 2, faces, words, (query, key, value), outputs)


def backward(
    dropout: float, faces: jax.Array, words: jax.Array, *arguments: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients of query, key and value, float32.

    Args:
      dropout: share of the attention map that is set to zero.
      faces: numbers of the faces in the whole batch, uint32 [batch].
      words: words of the random keys, uint32 [heads, scales, 2].
      *arguments: query, key, value, the results of `forward`, and the gradient of the first of them.
    """
    outputs = tuple(jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in arguments[:3])
    return _run(functools.partial(_backward_kernel, dropout), 5, faces, words, arguments, outputs)


def _run(
    kernel: Callable[..., None],
    products: int,
    faces: jax.Array,
    words: jax.Array,
    arguments: Sequence[jax.Array],
    outputs: Sequence[jax.ShapeDtypeStruct],
) -> tuple[jax.Array, ...]:
    """Runs a kernel for each face, head, scale and block of rows.

    Args:
      kernel: kernel of the faces and words in scalar memory, and of a block of each argument and output.
      products: number of products of the kernel that have a map as an operand or a result.
      faces: numbers of the faces in the whole batch, uint32 [batch].
      words: words of the random keys, uint32 [heads, scales, 2].
      arguments: arrays [batch, heads, scales, ..., channels] or [batch, heads, ..., all_channels].
      outputs: shapes and dtypes of the results, in the same two forms.
    """
    query, key = arguments[:2]
    batch, heads, scales, tokens, channels = query.shape
    rows = _block_rows(channels, key.shape[-1])

    def block(array: jax.Array | jax.ShapeDtypeStruct) -> pl.BlockSpec:
        if array.ndim == query.ndim:
            shape = (None, None, None, array.shape[3], rows)
            return pl.BlockSpec(shape, lambda face, head, scale, i: (face, head, scale, 0, i))
        return pl.BlockSpec((None, None, *array.shape[2:]), lambda face, head, scale, i: (face, head, 0, 0))

    elements = batch * heads * scales * channels * key.shape[-1]
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    return pl.pallas_call(
        kernel,
        grid=(batch, heads, scales, channels // rows),
        in_specs=[scalars, scalars, *map(block, arguments)],
        out_specs=tuple(map(block, outputs)),
        out_shape=outputs,
        # The gradients of keys and values are sums over scales and blocks.
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "parallel", "arbitrary", "arbitrary")
        ),
        cost_estimate=pl.CostEstimate(
            flops=2 * products * elements * tokens,
            transcendentals=elements,
            bytes_accessed=sum(math.prod(x.shape) * x.dtype.itemsize for x in (*arguments, *outputs)),
        ),
    )(faces, words, *arguments)


def _block_rows(channels: int, all_channels: int) -> int:
    """Returns the number of rows of a block: a divisor of `channels`, 0 if none fits."""
    if channels * all_channels <= _BLOCK_ELEMENTS:
        return channels
    fitting = range(_BLOCK_ELEMENTS // all_channels // _LANES * _LANES, 0, -_LANES)
    return next((rows for rows in fitting if channels % rows == 0), 0)


def _forward_kernel(
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
    scores = product(key[...], query[...], 0, 0)  # [all_channels, rows]
    highest = scores.max(axis=0, keepdims=True)
    weights = jnp.exp(scores - highest)
    total = weights.sum(axis=0, keepdims=True)
    if dropout:
        weights = jnp.where(_kept(dropout, faces, words, weights.shape), weights, 0)
    attended = product(value[...], weights.astype(value.dtype), 1, 0)
    context[...] = attended / ((1 - dropout) * total)
    log_total[...] = highest + jnp.log(total)


def _backward_kernel(
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

    Args: see `_forward_kernel` and `channel_attention._map_backward`; gradients have the shapes of their arrays.
    """

    @pl.when((pl.program_id(2) == 0) & (pl.program_id(3) == 0))
    def _() -> None:
        d_key[...] = jnp.zeros_like(d_key)
        d_value[...] = jnp.zeros_like(d_value)

    dtype = value.dtype
    attention = jnp.exp(product(key[...], query[...], 0, 0) - log_total[...])  # [all_channels, rows]
    row_sum = (d_context[...] * context[...]).sum(axis=0, keepdims=True)
    d_attended = (d_context[...] / (1 - dropout)).astype(dtype)
    d_attention = product(value[...], d_attended, 0, 0)  # [all_channels, rows]
    dropped = attention
    if dropout:
        kept = _kept(dropout, faces, words, attention.shape)
        dropped, d_attention = jnp.where(kept, attention, 0), jnp.where(kept, d_attention, 0)
    d_scores = (attention * (d_attention - row_sum)).astype(dtype)
    d_query[...] = product(key[...], d_scores, 1, 0)
    d_key[...] += product(query[...], d_scores, 1, 1)
    d_value[...] += product(d_attended, dropped.astype(dtype), 1, 1)


def product(left: jax.Array, right: jax.Array, left_axis: int, right_axis: int) -> jax.Array:
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
    bits = random_bits(words[head, scale, 0], words[head, scale, 1], counter)
    random_bytes = jnp.concatenate([(bits >> (8 * i)) & 255 for i in range(4)])
    return random_bytes.astype(jnp.int32) >= round(256 * dropout)


def random_bits(first: jax.Array, second: jax.Array, counter: jax.Array) -> jax.Array:
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
