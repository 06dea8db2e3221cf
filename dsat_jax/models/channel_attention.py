"""Attention between channels: softmax over instance-normalised scores, without stored score maps.

A score is the product of two channels, summed over T tokens (T = 16 in the released network). The score maps of a head
have scales x channels x (scales x channels) elements, a million for each face in the released network, but each map has
rank T at most. Its instance normalisation is computed from its two factors, queries and keys:

- The variance of the map follows from the T x T covariances of the factors.
- The mean of the map is not subtracted, because a constant added to a row does not change its softmax. For the same
  reason, the keys can be centred: their mean adds a constant to each row.

The remaining computation is a softmax attention over channels. Its backward pass recomputes the score maps. A program
for a mesh of TPUs, or of H100 or H200 GPUs, uses the kernels of `fused_attention`, which keep the maps out of main
memory, where they support the shapes. All other programs, and those that are exported for several platforms, use the
functions of this module.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dsat_jax.models.target_device import target_device

INSTANCE_NORM_EPSILON = 1e-5
# If a face has more scores than this, a CPU processes its maps one after another, so that each map fits in the
# cache. The limit is independent of the batch size, which is unknown when a network is exported.
_CACHED_SCORES = 2**18
# Platforms of kernels by the beginning of the names of the devices for which tests compile them. An H200 has the
# processors of an H100.
_KINDS_WITH_KERNELS = {"TPU": "tpu", "NVIDIA H100": "gpu", "NVIDIA H200": "gpu"}


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    dropout: float = 0.0,
    dropout_key: jax.Array | None = None,
) -> jax.Array:
    """Returns softmax(instance_norm(query key / sqrt(all_channels))) value, averaged over the heads.

    The instance normalisation is that of PyTorch, with epsilon 1e-5 and without parameters, over the score map of each
    head and scale. `all_channels` is the number of channels of all scales together.

    Args:
      query: queries [batch, heads, scales, tokens, channels].
      key: keys [batch, heads, tokens, all_channels].
      value: values [batch, heads, tokens, all_channels].
      dropout: share of the attention map that is set to zero, in steps of 1/256. The other elements are scaled up.
      dropout_key: random key of the dropout; None without dropout.

    Returns:
      Attended values [batch, scales, tokens, channels] in the dtype of `value`.
    """
    heads, scales = query.shape[1:3]
    query, key = _normalised(query, key)
    seeds = None if dropout == 0 else jax.random.split(dropout_key, (heads, scales))
    dropout = round(256 * dropout) / 256
    platform = _platform_of_kernels()
    if platform is not None:
        from dsat_jax.models import fused_attention  # here, because other platforms need not import Pallas

        if fused_attention.fits(platform, query, key, seeds):
            context = fused_attention.attend(platform, dropout, query, key, value, seeds)
            return context.mean(axis=1).astype(value.dtype)
    query = query.transpose(1, 2, 0, 4, 3)  # [heads, scales, batch, channels, tokens]
    key, value = key.swapaxes(0, 1), value.swapaxes(0, 1)  # [heads, batch, tokens, all_channels]
    context = _attend(dropout, query, key, value, seeds)
    return context.mean(axis=0).transpose(1, 0, 3, 2).astype(value.dtype)


def _platform_of_kernels() -> str | None:
    """Returns the platform of the kernels for the target device; None if no kernel was compiled for it."""
    kind = target_device()
    return next((platform for name, platform in _KINDS_WITH_KERNELS.items() if kind.startswith(name)), None)


def _normalised(query: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns queries and keys whose products differ from the normalised scores by a constant in each row.

    Let q = q0 + q' and k = k0 + k', where q0 and k0 are the means over the channels. The variance of q.k over a map is
    k0.Q.k0 + q0.K.q0 + tr(Q K), where Q and K are the covariances of q' and k'. There are no cross terms, because q'
    and k' have zero mean.
    """
    dtype, channels, all_channels = key.dtype, query.shape[-1], key.shape[-1]
    query, key = query.astype(_precise(dtype)), key.astype(_precise(dtype))
    query_mean, key_mean = query.mean(axis=-1), key.mean(axis=-1)  # [B, H, S, T], [B, H, T]
    centred = query - query_mean[..., None]
    key = key - key_mean[..., None]
    einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    query_covariance = einsum("bhstc,bhsuc->bhstu", centred, centred) / channels
    key_covariance = einsum("bhtd,bhud->bhtu", key, key) / all_channels
    variance = (
        einsum("bht,bhstu,bhu->bhs", key_mean, query_covariance, key_mean)
        + einsum("bhst,bhtu,bhsu->bhs", query_mean, key_covariance, query_mean)
        + einsum("bhstu,bhtu->bhs", query_covariance, key_covariance)
    )
    # The normalisation cancels the division of the scores by sqrt(all_channels), which therefore only changes the
    # relative size of epsilon.
    scale = jax.lax.rsqrt(variance / all_channels + INSTANCE_NORM_EPSILON) / jnp.sqrt(all_channels)
    return (query * scale[..., None, None]).astype(dtype), key.astype(dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None
) -> jax.Array:
    """Returns softmax(query key) value for each head and scale.

    Args:
      dropout: share of the attention map that is set to zero, in steps of 1/256.
      query: queries [heads, scales, batch, rows, tokens].
      key: keys [heads, batch, tokens, all_channels].
      value: values [heads, batch, tokens, all_channels].
      seeds: random keys of the dropout [heads, scales]; None without dropout.

    Returns:
      Attended values, float32 [heads, scales, batch, rows, tokens].
    """
    return _attend_forward(dropout, query, key, value, seeds)[0]


def _attend_forward(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None
) -> tuple[jax.Array, tuple[Any, ...]]:
    """Returns the result of `_attend` and the residuals for its backward pass."""

    def attend_head(query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None) -> Any:
        attend_map = functools.partial(_map_forward, dropout, key, value)
        return over_axis(attend_map, (query, seeds))

    over_axis = _loop(query, key)
    context, log_total = over_axis(attend_head, (query, key, value, seeds))
    return context, (query, key, value, seeds, context, log_total)


def _attend_backward(
    dropout: float, residuals: tuple[Any, ...], d_context: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    """Returns the gradients of query, key and value; random keys have none."""

    def differentiate_head(query: jax.Array, key: jax.Array, value: jax.Array, *by_scale: Any) -> Any:
        differentiate_map = functools.partial(_map_backward, dropout, key, value)
        d_query, d_key, d_value = over_axis(differentiate_map, (query, *by_scale))
        return d_query, d_key.sum(axis=0), d_value.sum(axis=0)

    query, key, value, *by_scale = residuals
    over_axis = _loop(query, key)
    d_query, d_key, d_value = over_axis(differentiate_head, (query, key, value, *by_scale, d_context))
    return d_query.astype(query.dtype), d_key.astype(key.dtype), d_value.astype(value.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)


def _loop(query: jax.Array, key: jax.Array) -> Callable[[Callable[..., Any], tuple[Any, ...]], Any]:
    """Returns a function that maps over leading axes: one by one on a CPU if the score maps are large, else by vmap."""
    heads, scales, _, channels, _ = query.shape
    large = heads * scales * channels * key.shape[-1] > _CACHED_SCORES

    def over_axis(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        def one_by_one(*arguments: Any) -> Any:
            return jax.lax.map(lambda element: function(*element), arguments)

        if not large:
            return jax.vmap(function)(*arguments)
        return jax.lax.platform_dependent(*arguments, cpu=one_by_one, default=jax.vmap(function))

    return over_axis


def _map_forward(
    dropout: float, key: jax.Array, value: jax.Array, query: jax.Array, seed: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Returns the attended values [batch, rows, tokens] and the log-sum-exp of each row of scores [batch, rows, 1]."""
    scores = _product("brt,btd->brd", query, key)
    highest = scores.max(axis=-1, keepdims=True)
    weights = jnp.exp(scores - highest)
    total = weights.sum(axis=-1, keepdims=True)
    weights = _dropped(weights, dropout, seed).astype(value.dtype)
    return _product("brd,btd->brt", weights, value) / total, highest + jnp.log(total)


def _map_backward(
    dropout: float,
    key: jax.Array,
    value: jax.Array,
    query: jax.Array,
    seed: jax.Array | None,
    context: jax.Array,
    log_total: jax.Array,
    d_context: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients of query, key and value, float32.

    The gradient of the softmax requires the sum of attention x d_attention over each row. It equals the sum of
    context x d_context over the tokens, so that no further map is needed.
    """
    dtype = value.dtype
    attention = jnp.exp(_product("brt,btd->brd", query, key) - log_total)
    d_dropped = _product("brt,btd->brd", d_context.astype(dtype), value)
    dropped = _dropped(attention, dropout, seed).astype(dtype)
    row_sum = (d_context * context).sum(axis=-1, keepdims=True)
    d_scores = (attention * (_dropped(d_dropped, dropout, seed) - row_sum)).astype(dtype)
    d_value = _product("brt,brd->btd", d_context.astype(dtype), dropped)
    d_key = _product("brt,brd->btd", query, d_scores)
    d_query = _product("brd,btd->brt", d_scores, key)
    return d_query, d_key, d_value


def _precise(dtype: jnp.dtype) -> jnp.dtype:
    """Returns the dtype of sums and exponentials: float32, or float64 for float64."""
    return jnp.promote_types(dtype, jnp.float32)


def _product(subscripts: str, left: jax.Array, right: jax.Array) -> jax.Array:
    """Returns the einsum of two arrays, accumulated in at least float32."""
    return jnp.einsum(subscripts, left, right, preferred_element_type=_precise(left.dtype))


def _dropped(x: jax.Array, dropout: float, seed: jax.Array | None) -> jax.Array:
    """Returns x after dropout: an element is set to zero if its random byte is below 256 dropout.

    Each random number of 32 bits supplies four bytes. The same seed and shape give the same mask, so that the backward
    pass needs no stored mask.
    """
    if dropout == 0:
        return x
    words = jax.random.bits(seed, (*x.shape[:-1], -(-x.shape[-1] // 4)), jnp.uint32)
    random_bytes = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., words, 4]
    random_bytes = random_bytes.reshape(*x.shape[:-1], -1)[..., : x.shape[-1]]
    return jnp.where(random_bytes >= round(256 * dropout), x / (1 - dropout), 0)
