"""Attention between channels by kernels, on a mesh: score maps stay in the chips, out of main memory.

The kernels are those of `attention_kernels` for TPUs and of `gpu_attention` for GPUs. They drop the same elements as
`channel_attention`, on any number of devices.
"""

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from dsat_jax.models import attention_kernels, gpu_attention

# Modules with the functions `fits`, `forward` and `backward`.
_KERNELS: dict[str, ModuleType] = {"tpu": attention_kernels, "gpu": gpu_attention}


def fits(platform: str, query: jax.Array, key: jax.Array, dropout_key: jax.Array | None) -> bool:
    """Returns whether the kernels of a platform support an attention; see `channel_attention.attend` for the arguments.

    They need a mesh in the context, with automatic axes, whose number of devices divides the batch; float32 or
    bfloat16; and numbers of rows and columns that split into their blocks. Dropout needs keys of partitionable
    Threefry, and fewer than 2**34 elements in the maps of all faces, because the counter of its random numbers has 32
    bits.
    """
    mesh = jax.sharding.get_abstract_mesh()
    batch, tokens, channels, all_channels = query.shape[0], *query.shape[-2:], key.shape[-1]
    return (
        not mesh.empty
        and (_is_local(mesh) or (set(mesh.axis_types) == {AxisType.Auto} and batch % mesh.size == 0))
        and key.dtype in (jnp.float32, jnp.bfloat16)
        and _KERNELS[platform].fits(tokens, channels, all_channels)
        and (dropout_key is None or _supported(dropout_key, batch * channels * all_channels))
    )


def attend(
    platform: str,
    dropout: float,
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    seeds: jax.Array | None,
) -> jax.Array:
    """Returns softmax(query key) value for each head and scale, computed by each device for its faces.

    Args:
      platform: platform of the kernels, tpu or gpu.
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
    return _attend(platform, dropout, query, key, value, words)


def _is_local(mesh: AbstractMesh) -> bool:
    """Returns whether the program is traced for a single device of the mesh, inside `jax.shard_map`."""
    return set(mesh.axis_types) == {AxisType.Manual}


def _supported(dropout_key: jax.Array, elements: int) -> bool:
    """Returns whether the kernels can generate the random bits of a key for a number of elements."""
    threefry = str(jax.random.key_impl(dropout_key)) == "threefry2x32"
    return threefry and jax.config.jax_threefry_partitionable and elements < 2**34


def _grouped(x: jax.Array) -> jax.Array:
    """Returns an array with the columns grouped by their remainder modulo 4, the byte of a random number they use."""
    return jnp.concatenate([x[..., i::4] for i in range(4)], axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attend(
    platform: str, dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, words: jax.Array
) -> jax.Array:
    """Returns the result of `attend`; with dropout, the columns of key and value are grouped.

    Args:
      platform: platform of the kernels.
      dropout: share of the attention map that is set to zero.
      query: queries [batch, heads, scales, tokens, channels].
      key: keys [batch, heads, tokens, all_channels].
      value: values [batch, heads, tokens, all_channels].
      words: words of the random keys, uint32 [heads, scales, 2].
    """
    return _attend_forward(platform, dropout, query, key, value, words)[0]


def _attend_forward(
    platform: str, dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, words: jax.Array
) -> tuple[jax.Array, tuple[Any, ...]]:
    """Returns the result of `_attend` and the residuals for its backward pass."""
    run = functools.partial(_KERNELS[platform].forward, dropout)
    context, log_total = _on_each_device(run, words, (query, key, value), results=2)
    return context, (query, key, value, words, context, log_total)


def _attend_backward(
    platform: str, dropout: float, residuals: tuple[Any, ...], d_context: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    """Returns the gradients of query, key and value; the words of random keys have none."""
    query, key, value, words, context, log_total = residuals
    run = functools.partial(_KERNELS[platform].backward, dropout)
    arguments = (query, key, value, context, log_total, d_context)
    d_query, d_key, d_value = _on_each_device(run, words, arguments, results=3)
    return d_query.astype(query.dtype), d_key.astype(key.dtype), d_value.astype(value.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)


def _on_each_device(
    run: Callable[..., tuple[jax.Array, ...]], words: jax.Array, arguments: Sequence[jax.Array], results: int
) -> tuple[jax.Array, ...]:
    """Runs kernels on each device of the mesh in the context, for the device's part of the batch.

    Args:
      run: function of the numbers of the faces, the words and the arguments.
      words: words of the random keys, uint32 [heads, scales, 2].
      arguments: arrays with a leading batch dimension.
      results: number of results, which also have a leading batch dimension.
    """
    mesh = jax.sharding.get_abstract_mesh()
    # The number of a face in the whole batch selects its random bits.
    faces = jnp.arange(arguments[0].shape[0], dtype=jnp.uint32)
    if _is_local(mesh):
        return run(faces, words, *arguments)
    split, whole = PartitionSpec(mesh.axis_names), PartitionSpec()
    # XLA cannot partition a kernel by itself.
    on_each = jax.shard_map(
        run,
        in_specs=(split, whole, *(split for _ in arguments)),
        out_specs=(split,) * results,
        check_vma=False,
    )
    return on_each(faces, words, *arguments)
