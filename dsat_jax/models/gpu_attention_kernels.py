"""Pallas kernels of the attention between channels, for GPUs (through Triton).

A kernel keeps the blocks of a map in its registers. Forward, the softmax of a row is accumulated over the blocks of its
columns. Backward, one kernel computes the gradient of the queries from the blocks along the rows, and another one those
of keys and values from the blocks along the columns. Each sum thus belongs to one program of the grid and has a fixed
order. Both kernels compute the map again.

Dropout drops the same elements as `attention_kernels`: a random number has the bytes of four adjacent columns, and the
columns are grouped by the byte that they use. A block is a range of random numbers, and has a range of each group.

Source: Dao et al., "FlashAttention: fast and memory-efficient exact attention", NeurIPS 2022.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from dsat_jax.models.attention_kernels import product, random_bits

GROUPS = 4  # of columns, one for each byte of a random number
# Lengths of a block. With them, no kernel spills registers of an H100 to memory (`ptxas -v`).
LARGEST_NUMBERS = 32  # random numbers, each of four columns
LARGEST_ROWS = 64
_LARGEST_ROWS_OF_SUMS = 32  # of the kernel that sums over rows, which has more blocks in registers


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
    """Writes the attended values and the log-sum-exp of each row of a block.

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
    tokens, rows = query.shape
    queries, numbers = query[...], _numbers_of_rows(faces, words, rows, key)

    def add(block: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        attended, total, highest = sums
        for columns, kept in _groups(dropout, numbers, block, rows, row_axis=0):
            scores = product(queries, key[:, columns], 0, 0)  # [rows, columns]
            higher = jnp.maximum(highest, scores.max(axis=1))
            shrunk, weights = jnp.exp(highest - higher), jnp.exp(scores - higher[:, None])
            total, highest = total * shrunk + weights.sum(axis=1), higher
            weights = _masked(weights, kept).astype(value.dtype)
            attended = attended * shrunk[:, None] + product(weights, value[:, columns], 1, 1)
        return attended, total, highest

    start = (_zeros(rows, tokens), _zeros(rows), jnp.full((rows,), -jnp.inf, jnp.float32))
    attended, total, highest = jax.lax.fori_loop(0, numbers.blocks, add, start)
    context[...] = (attended / ((1 - dropout) * total)[:, None]).T
    log_total[0, :] = highest + jnp.log(total)


def backward_query(
    dropout: float,
    faces: Any,
    words: Any,
    query: Any,
    key: Any,
    value: Any,
    d_attended: Any,
    log_total: Any,
    row_sum: Any,
    d_query: Any,
) -> None:
    """Writes the gradient of the queries of a block of rows.

    Args: see `forward` and `channel_attention._map_backward`; `d_attended` is the gradient of the attended
      values with the factor of dropout [tokens, rows], `row_sum` is [1, rows].
    """
    tokens, rows = query.shape
    queries, numbers = query[...], _numbers_of_rows(faces, words, rows, key)
    d_outputs, logs, subtracted = d_attended[...], log_total[0, :], row_sum[0, :]

    def add(block: jax.Array, total: jax.Array) -> jax.Array:
        for columns, kept in _groups(dropout, numbers, block, rows, row_axis=0):
            keys = key[:, columns]
            attention = jnp.exp(product(queries, keys, 0, 0) - logs[:, None])  # [rows, columns]
            d_attention = _masked(product(d_outputs, value[:, columns], 0, 0), kept)
            d_scores = (attention * (d_attention - subtracted[:, None])).astype(key.dtype)
            total = total + product(d_scores, keys, 1, 1)
        return total

    d_query[...] = jax.lax.fori_loop(0, numbers.blocks, add, _zeros(rows, tokens)).T


def backward_key_value(
    dropout: float,
    faces: Any,
    words: Any,
    query: Any,
    key: Any,
    value: Any,
    d_attended: Any,
    log_total: Any,
    row_sum: Any,
    d_key: Any,
    d_value: Any,
) -> None:
    """Writes the gradients of the keys and values of a block of random numbers, sums over scales and rows.

    Args: see `backward_query`, here with all scales and rows: `query` and `d_attended` [scales, tokens, channels],
      `log_total` and `row_sum` [scales, 1, channels].
    """
    block, head, face = map(pl.program_id, range(3))
    scales, tokens, channels = query.shape
    rows, count = largest_block(channels, _LARGEST_ROWS_OF_SUMS), key.shape[1] // GROUPS
    blocks_of_rows = channels // rows

    def add(step: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        scale, block_of_rows = divided(step, blocks_of_rows)
        first_row = block_of_rows * rows
        numbers = _numbers(faces, words, (face, head, scale), channels, first_row, count)
        place = (scale, slice(None), pl.ds(first_row, rows))
        queries, d_outputs = query[place], d_attended[place]
        logs, subtracted = (x[scale, 0, pl.ds(first_row, rows)][None] for x in (log_total, row_sum))
        groups = _groups(dropout, numbers, block, rows, row_axis=1)
        next_sums = []
        for (columns, kept), (d_keys, d_values) in zip(groups, sums, strict=True):
            attention = jnp.exp(product(key[:, columns], queries, 0, 0) - logs)  # [columns, rows]
            d_attention = _masked(product(value[:, columns], d_outputs, 0, 0), kept)
            d_scores = (attention * (d_attention - subtracted)).astype(key.dtype)
            dropped = _masked(attention, kept).astype(key.dtype)
            d_keys = d_keys + product(d_scores, queries, 1, 1)
            next_sums.append((d_keys, d_values + product(dropped, d_outputs, 1, 1)))
        return tuple(next_sums)

    width = largest_block(count, LARGEST_NUMBERS)
    start = tuple((_zeros(width, tokens), _zeros(width, tokens)) for _ in range(GROUPS))
    sums = jax.lax.fori_loop(0, scales * blocks_of_rows, add, start)
    for i, (d_keys, d_values) in enumerate(sums):
        columns = pl.ds(i * count + block * width, width)
        d_key[:, columns], d_value[:, columns] = d_keys.T, d_values.T


class _Numbers(NamedTuple):
    """Random numbers of some rows of a map; each number belongs to four columns.

    Attributes:
      key: two words of the random key.
      first: position of the first number of the first row, uint32.
      count: random numbers of a row.
    """

    key: tuple[jax.Array, jax.Array]
    first: jax.Array
    count: int

    @property
    def width(self) -> int:
        """Length of a block of random numbers."""
        return largest_block(self.count, LARGEST_NUMBERS)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.count // self.width


def _numbers_of_rows(faces: Any, words: Any, rows: int, key: Any) -> _Numbers:
    """Returns the random numbers of the rows of a program of `gpu_attention._over_rows`."""
    block, part, face = map(pl.program_id, range(3))
    scales = words.shape[1]
    place = (face, *divided(part, scales))
    return _numbers(faces, words, place, rows * pl.num_programs(0), block * rows, key.shape[1] // GROUPS)


def _numbers(
    faces: Any, words: Any, place: tuple[Any, Any, Any], channels: Any, first_row: Any, count: int
) -> _Numbers:
    """Returns the random numbers of rows of the map of a face, head and scale."""
    face, head, scale = place
    row = faces[face] * jnp.uint32(channels) + jnp.uint32(first_row)
    return _Numbers((words[head, scale, 0], words[head, scale, 1]), row * jnp.uint32(count), count)


def _groups(
    dropout: float, numbers: _Numbers, block: jax.Array, rows: int, row_axis: int
) -> Iterator[tuple[pl.Slice, jax.Array | None]]:
    """Yields the columns of each group in a block, and which elements of the map remain after dropout.

    Args:
      dropout: share of the elements that are dropped; without dropout, None stands for the second result.
      numbers: random numbers of the rows.
      block: number of the block of random numbers.
      rows: number of rows.
      row_axis: axis of the rows in the block of the map, 0 or 1.
    """
    width = numbers.width
    bits = None
    if dropout:
        shape = (rows, width) if row_axis == 0 else (width, rows)
        row = jax.lax.broadcasted_iota(jnp.uint32, shape, row_axis)
        column = jax.lax.broadcasted_iota(jnp.uint32, shape, 1 - row_axis) + jnp.uint32(block * width)
        bits = random_bits(*numbers.key, numbers.first + row * jnp.uint32(numbers.count) + column)
    for i in range(GROUPS):
        kept = None
        if bits is not None:
            kept = ((bits >> (8 * i)) & 255).astype(jnp.int32) >= round(256 * dropout)
        yield pl.ds(i * numbers.count + block * width, width), kept


def _masked(x: jax.Array, kept: jax.Array | None) -> jax.Array:
    """Returns x with zeros for the elements that do not remain."""
    return x if kept is None else jnp.where(kept, x, 0)


def _zeros(*shape: int) -> jax.Array:
    return jnp.zeros(shape, jnp.float32)


def divided(number: jax.Array, divisor: int) -> tuple[jax.Array, jax.Array]:
    """Returns quotient and remainder of a number that is not negative; `%` of JAX does not compile to Triton."""
    return jax.lax.div(number, divisor), jax.lax.rem(number, divisor)


def largest_block(length: int, limit: int) -> int:
    """Returns the largest power of two up to a limit, itself one, that divides a length."""
    return min(limit, length & -length)
