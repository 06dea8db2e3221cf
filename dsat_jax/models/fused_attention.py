"""Attention between channels by kernels for TPUs, on a mesh: score maps stay in the vector memory of the chips.

The kernels of `attention_kernels` run for each face, head, scale and block of rows. They drop the same elements as
`channel_attention`, on any number of devices.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import AxisType, PartitionSpec

from dsat_jax.models import attention_kernels

# Four bytes of a random number belong to four columns of the map. A quarter of the columns is a multiple of the 16
# sublanes of a bfloat16 register, so that the quarters join without shifts.
_COLUMN_MULTIPLE = 64
_LANES = 128
# Elements of the block of a map: 1 MB in float32. With it, the backward kernel takes 2.1 MB of the VMEM of a v5e.
_BLOCK_ELEMENTS = 2**18


def fits(query: jax.Array, key: jax.Array, dropout_key: jax.Array | None) -> bool:
    """Returns whether the kernels support an attention; see `channel_attention.attend` for the arguments.

    They need a mesh in the context, with automatic axes, whose number of devices divides the batch; float32 or
    bfloat16; a multiple of 64 columns; and a block of all rows, or of a multiple of 128 rows that divides them, with
    2**18 elements at most. Dropout needs keys of partitionable Threefry, and fewer than 2**34 elements in the maps of
    all faces, because the counter of its random numbers has 32 bits.
    """
    mesh = jax.sharding.get_abstract_mesh()
    batch, channels, all_channels = query.shape[0], query.shape[-1], key.shape[-1]
    return (
        not mesh.empty
        and set(mesh.axis_types) == {AxisType.Auto}
        and batch % mesh.size == 0
        and key.dtype in (jnp.float32, jnp.bfloat16)
        and all_channels % _COLUMN_MULTIPLE == 0
        and _block_rows(channels, all_channels) > 0
        and (dropout_key is None or _supported(dropout_key, batch * channels * all_channels))
    )


def attend(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None
) -> jax.Array:
    """Returns softmax(query key) value for each head and scale, computed by each device for its faces.

    Args:
      dropout: share of the attention map that is set to zero, in steps of 1/256.
      query: queries [batch, heads, scales, tokens, channels].
      key: keys [batch, heads, tokens, all_channels].
      value: values [batch, heads, tokens, all_channels].
      seeds: random keys of the dropout [heads, scales]; None without dropout.

    Returns:
      Attended values, float32 [batch, heads, scales, tokens, channels].
    """
    if seeds is None:  # the kernels do not read the words
        words = jnp.zeros((*query.shape[1:3], 2), jnp.uint32)
    else:
        words = jax.random.key_data(seeds)
        key, value = _grouped(key), _grouped(value)
    return _attend(dropout, query, key, value, words)


def _supported(dropout_key: jax.Array, elements: int) -> bool:
    """Returns whether the kernels can generate the random bits of a key for a number of elements."""
    threefry = str(jax.random.key_impl(dropout_key)) == "threefry2x32"
    return threefry and jax.config.jax_threefry_partitionable and elements < 2**34


def _block_rows(channels: int, all_channels: int) -> int:
    """Returns the number of rows of a block: a divisor of `channels`, 0 if none fits."""
    if channels * all_channels <= _BLOCK_ELEMENTS:
        return channels
    fitting = range(_BLOCK_ELEMENTS // all_channels // _LANES * _LANES, 0, -_LANES)
    return next((rows for rows in fitting if channels % rows == 0), 0)


def _grouped(x: jax.Array) -> jax.Array:
    """Returns an array with the columns grouped by their remainder modulo 4, the byte of a random number they use."""
    return jnp.concatenate([x[..., i::4] for i in range(4)], axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, words: jax.Array
) -> jax.Array:
    """Returns the result of `attend`; with dropout, the columns of key and value are grouped.

    Args:
      dropout: share of the attention map that is set to zero.
      query: queries [batch, heads, scales, tokens, channels].
      key: keys [batch, heads, tokens, all_channels].
      value: values [batch, heads, tokens, all_channels].
      words: words of the random keys, uint32 [heads, scales, 2].
    """
    return _attend_forward(dropout, query, key, value, words)[0]


def _attend_forward(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, words: jax.Array
) -> tuple[jax.Array, tuple[Any, ...]]:
    """Returns the result of `_attend` and the residuals for its backward pass."""
    log_total = jax.ShapeDtypeStruct((*query.shape[:3], 1, query.shape[-1]), jnp.float32)
    outputs = (jax.ShapeDtypeStruct(query.shape, jnp.float32), log_total)
    kernel = functools.partial(attention_kernels.forward, dropout)
    context, log_total = _on_each_device(kernel, words, (query, key, value), outputs)
    return context, (query, key, value, words, context, log_total)


def _attend_backward(
    dropout: float, residuals: tuple[Any, ...], d_context: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    """Returns the gradients of query, key and value; the words of random keys have none."""
    query, key, value, words, context, log_total = residuals
    outputs = tuple(jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in (query, key, value))
    kernel = functools.partial(attention_kernels.backward, dropout)
    arguments = (query, key, value, context, log_total, d_context)
    d_query, d_key, d_value = _on_each_device(kernel, words, arguments, outputs)
    return d_query.astype(query.dtype), d_key.astype(key.dtype), d_value.astype(value.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)


def _on_each_device(
    kernel: Callable[..., None],
    words: jax.Array,
    arguments: Sequence[jax.Array],
    outputs: Sequence[jax.ShapeDtypeStruct],
) -> tuple[jax.Array, ...]:
    """Runs a kernel on each device of the mesh in the context, for the device's part of the batch.

    Args:
      kernel: kernel, see `_run`.
      words: words of the random keys, uint32 [heads, scales, 2].
      arguments: arrays with a leading batch dimension; the first is the queries, the second the keys.
      outputs: shapes and dtypes of the results of the whole batch.
    """
    mesh = jax.sharding.get_abstract_mesh()
    # The number of a face in the whole batch selects its random bits.
    faces = jnp.arange(arguments[0].shape[0], dtype=jnp.uint32)
    local = tuple(jax.ShapeDtypeStruct((x.shape[0] // mesh.size, *x.shape[1:]), x.dtype) for x in outputs)
    split, whole = PartitionSpec(mesh.axis_names), PartitionSpec()
    # XLA cannot partition a kernel by itself.
    run = jax.shard_map(
        lambda faces, words, *arguments: _run(kernel, faces, words, arguments, local),
        in_specs=(split, whole, *(split for _ in arguments)),
        out_specs=tuple(split for _ in outputs),
        check_vma=False,
    )
    return run(faces, words, *arguments)


def _run(
    kernel: Callable[..., None],
    faces: jax.Array,
    words: jax.Array,
    arguments: Sequence[jax.Array],
    outputs: Sequence[jax.ShapeDtypeStruct],
) -> tuple[jax.Array, ...]:
    """Runs a kernel for each face, head, scale and block of rows.

    Args:
      kernel: kernel of the faces and words in scalar memory, and of a block of each argument and output.
      faces: numbers of the faces in the whole batch, uint32 [batch].
      words: words of the random keys, uint32 [heads, scales, 2].
      arguments: arrays [batch, heads, scales, ..., channels] or [batch, heads, ..., all_channels].
      outputs: shapes and dtypes of the results, in the same two forms.
    """
    query, key = arguments[:2]
    batch, heads, scales, _, channels = query.shape
    rows = _block_rows(channels, key.shape[-1])

    def block(array: jax.Array | jax.ShapeDtypeStruct) -> pl.BlockSpec:
        if array.ndim == query.ndim:
            shape = (None, None, None, array.shape[3], rows)
            return pl.BlockSpec(shape, lambda face, head, scale, i: (face, head, scale, 0, i))
        return pl.BlockSpec((None, None, *array.shape[2:]), lambda face, head, scale, i: (face, head, 0, 0))

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
    )(faces, words, *arguments)
