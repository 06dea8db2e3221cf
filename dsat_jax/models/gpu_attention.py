"""Attention between channels by kernels for GPUs: the grids and blocks of `gpu_attention_kernels`."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pltriton

from dsat_jax.models import gpu_attention_kernels as kernels

_SMALLEST = 16  # length that Triton's products need
_LARGEST_TOKENS = 64


def fits(tokens: int, channels: int, all_channels: int) -> bool:
    """Returns whether the kernels support these shapes: 64 tokens at most, multiples of 16 rows and 64 columns."""
    columns = _SMALLEST * kernels.GROUPS
    return tokens <= _LARGEST_TOKENS and channels % _SMALLEST == 0 and all_channels % columns == 0


def forward(
    dropout: float, faces: jax.Array, words: jax.Array, query: jax.Array, key: jax.Array, value: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the attended values and the log-sum-exp of each row of scores.

    Arguments and results: see `attention_kernels.forward`.
    """
    tokens = query.shape[3]
    query, key, value = map(_padded, (query, key, value))
    context = jax.ShapeDtypeStruct(query.shape, jnp.float32)
    log_total = jax.ShapeDtypeStruct((*query.shape[:3], 1, query.shape[4]), jnp.float32)
    kernel = functools.partial(kernels.forward, dropout)
    context, log_total = _over_rows(kernel, 2, faces, words, (query, key, value), (context, log_total))
    return context[:, :, :, :tokens], log_total


def backward(
    dropout: float,
    faces: jax.Array,
    words: jax.Array,
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    context: jax.Array,
    log_total: jax.Array,
    d_context: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients of query, key and value. Arguments and results: see `attention_kernels.backward`."""
    tokens = query.shape[3]
    row_sum = (d_context * context).sum(axis=3, keepdims=True)
    d_attended = (d_context / (1 - dropout)).astype(value.dtype)
    query, key, value, d_attended = map(_padded, (query, key, value, d_attended))
    arguments = (query, key, value, d_attended, log_total, row_sum)
    by_rows = functools.partial(kernels.backward_query, dropout)
    by_columns = functools.partial(kernels.backward_key_value, dropout)
    d_query, d_key, d_value = (jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in (query, key, value))
    (d_query,) = _over_rows(by_rows, 3, faces, words, arguments, (d_query,))
    d_key, d_value = _over_columns(by_columns, 4, faces, words, arguments, (d_key, d_value))
    return d_query[:, :, :, :tokens], d_key[:, :, :tokens], d_value[:, :, :tokens]


def _padded(x: jax.Array) -> jax.Array:
    """Returns an array with zeros after its tokens, the last axis but one, up to the next power of two from 16 on."""
    missing = max(_SMALLEST, pl.next_power_of_2(x.shape[-2])) - x.shape[-2]
    return jnp.pad(x, [*[(0, 0)] * (x.ndim - 2), (0, missing), (0, 0)]) if missing else x


def _over_rows(
    kernel: Callable[..., None],
    products: int,
    faces: jax.Array,
    words: jax.Array,
    arguments: tuple[jax.Array, ...],
    outputs: tuple[jax.ShapeDtypeStruct, ...],
) -> tuple[jax.Array, ...]:
    """Runs a kernel for each block of rows, head, scale and face.

    Args:
      kernel: kernel of the faces, the words, and a block of each argument and output.
      products: number of products of the kernel that have a map as an operand or a result.
      faces: numbers of the faces in the whole batch, uint32 [batch].
      words: words of the random keys, uint32 [heads, scales, 2].
      arguments: arrays [batch, heads, scales, ..., channels] or [batch, heads, ..., all_channels]; the first is the
        queries, the second the keys.
      outputs: shapes and dtypes of the results, in the same two forms.
    """
    batch, heads, scales, _, channels = arguments[0].shape
    rows = kernels.largest_block(channels, kernels.LARGEST_ROWS)

    def block(array: jax.Array | jax.ShapeDtypeStruct) -> pl.BlockSpec:
        if array.ndim == 5:
            shape = (None, None, None, array.shape[3], rows)
            return pl.BlockSpec(shape, lambda i, part, face: (face, *kernels.divided(part, scales), 0, i))
        return pl.BlockSpec(
            (None, None, *array.shape[2:]),
            lambda i, part, face: (face, kernels.divided(part, scales)[0], 0, 0),
        )

    grid = (channels // rows, heads * scales, batch)
    return _run(kernel, products, grid, block, faces, words, arguments, outputs)


def _over_columns(
    kernel: Callable[..., None],
    products: int,
    faces: jax.Array,
    words: jax.Array,
    arguments: tuple[jax.Array, ...],
    outputs: tuple[jax.ShapeDtypeStruct, ...],
) -> tuple[jax.Array, ...]:
    """Runs a kernel for each block of random numbers, head and face. Arguments: see `_over_rows`."""
    batch, heads = arguments[0].shape[:2]
    count = arguments[1].shape[-1] // kernels.GROUPS

    def block(array: jax.Array | jax.ShapeDtypeStruct) -> pl.BlockSpec:
        zeros = (0,) * (array.ndim - 2)
        return pl.BlockSpec((None, None, *array.shape[2:]), lambda i, head, face: (face, head, *zeros))

    grid = (count // kernels.largest_block(count, kernels.LARGEST_NUMBERS), heads, batch)
    return _run(kernel, products, grid, block, faces, words, arguments, outputs)


def _run(
    kernel: Callable[..., None],
    products: int,
    grid: tuple[int, int, int],
    block: Callable[[Any], pl.BlockSpec],
    faces: jax.Array,
    words: jax.Array,
    arguments: tuple[jax.Array, ...],
    outputs: tuple[jax.ShapeDtypeStruct, ...],
) -> tuple[jax.Array, ...]:
    """Runs a kernel on a grid, with the blocks of its arguments and outputs; see `_over_rows` for the others."""
    query, key = arguments[:2]
    # The lowering to Triton drops a `pallas.CostEstimate`; `hlo_products` reads the metadata.
    operations = 2 * products * query.size * key.shape[-1]
    return pl.pallas_call(
        kernel,
        grid=grid,
        in_specs=[pl.BlockSpec(), pl.BlockSpec(), *map(block, arguments)],
        out_specs=tuple(map(block, outputs)),
        out_shape=outputs,
        compiler_params=pltriton.CompilerParams(num_warps=4, num_stages=2),
        metadata={"flops": str(operations)},
    )(faces, words, *arguments)
