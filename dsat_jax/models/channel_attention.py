"""Attention between channels: the softmax over instance-normalised scores, without keeping a map of them.

A score is the product of two channels summed over T tokens, T = 16 in the released network, and a map has scales x
channels x (scales x channels) of them: a million per head and face. The map is therefore a matrix of rank T, and all
that is wanted of it follows from the small factors:

- its variance, by which instance normalisation divides, from the T x T covariances of the two factors;
- its mean, which instance normalisation subtracts, is one number for a whole map, and so is a row's share of the
  key's mean; the softmax over a row takes no notice of either.

What is left is softmax attention over channels, whose backward pass makes the map anew.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

INSTANCE_NORM_EPSILON = 1e-5
# Maps of a face with this many scores are taken one after the other on a CPU, to stay in its cache. It is not the
# batch that decides: an exported network has any.
_CACHED_SCORES = 2**18


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    dropout: float = 0.0,
    dropout_key: jax.Array | None = None,
) -> jax.Array:
    """softmax(instance_norm(query key / sqrt(wide))) value, averaged over the heads.

    Instance normalisation is that of PyTorch over the map of a head and a scale: epsilon 1e-5, no parameters.

    Args:
      query: [batch, heads, scales, tokens, channels].
      key: [batch, heads, tokens, wide].
      value: [batch, heads, tokens, wide].
      dropout: share of the attention map that is set to zero, in steps of 1/256; the rest is scaled up.
      dropout_key: random key; not needed without dropout.

    Returns:
      [batch, scales, tokens, channels], of the type of the value.
    """
    heads, scales = query.shape[1:3]
    query, key = _normalised(query, key)
    query = query.transpose(1, 2, 0, 4, 3)  # [heads, scales, batch, channels, tokens]
    key, value = key.swapaxes(0, 1), value.swapaxes(0, 1)  # [heads, batch, tokens, wide]
    seeds = None if dropout == 0 else jax.random.split(dropout_key, (heads, scales))
    context = _attend(round(256 * dropout) / 256, query, key, value, seeds)
    return context.mean(axis=0).transpose(1, 0, 3, 2).astype(value.dtype)


def _normalised(query: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Queries and keys whose products differ from the instance-normalised scores by a constant in each row.

    With q = q0 + q' and k = k0 + k' split into mean and rest over the channels, the variance of q.k over a map is
    k0.Q.k0 + q0.K.q0 + tr(Q K), where Q and K are the covariances of q' and k': the three parts are orthogonal.
    """
    dtype, channels, wide = key.dtype, query.shape[-1], key.shape[-1]
    query, key = query.astype(_precise(dtype)), key.astype(_precise(dtype))
    query_mean, key_mean = query.mean(axis=-1), key.mean(axis=-1)  # [B, H, S, T], [B, H, T]
    centred = query - query_mean[..., None]
    key = key - key_mean[..., None]
    einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    of_query = einsum("bhstc,bhsuc->bhstu", centred, centred) / channels
    of_key = einsum("bhtd,bhud->bhtu", key, key) / wide
    variance = (
        einsum("bht,bhstu,bhu->bhs", key_mean, of_query, key_mean)
        + einsum("bhst,bhtu,bhsu->bhs", query_mean, of_key, query_mean)
        + einsum("bhstu,bhtu->bhs", of_query, of_key)
    )
    # The scores are divided by sqrt(wide) before they are normalised, which only epsilon notices.
    scale = jax.lax.rsqrt(variance / wide + INSTANCE_NORM_EPSILON) / jnp.sqrt(wide)
    return (query * scale[..., None, None]).astype(dtype), key.astype(dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None
) -> jax.Array:
    """softmax(query key) value for each head and scale.

    Args:
      dropout: share of the map.
      query: [heads, scales, batch, rows, tokens].
      key: [heads, batch, tokens, wide].
      value: [heads, batch, tokens, wide].
      seeds: random keys [heads, scales], or None without dropout.

    Returns:
      float32 [heads, scales, batch, rows, tokens].
    """
    return _attend_forward(dropout, query, key, value, seeds)[0]


def _attend_forward(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None
) -> tuple[jax.Array, tuple[Any, ...]]:
    def of_head(query: jax.Array, key: jax.Array, value: jax.Array, seeds: jax.Array | None) -> Any:
        piece = functools.partial(_piece_forward, dropout, key, value)
        return over(piece, (query, seeds))

    over = _loop(query, key)
    context, normaliser = over(of_head, (query, key, value, seeds))
    return context, (query, key, value, seeds, context, normaliser)


def _attend_backward(
    dropout: float, kept: tuple[Any, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    def of_head(query: jax.Array, key: jax.Array, value: jax.Array, *of_scales: Any) -> Any:
        piece = functools.partial(_piece_backward, dropout, key, value)
        of_query, of_key, of_value = over(piece, (query, *of_scales))
        return of_query, of_key.sum(axis=0), of_value.sum(axis=0)

    query, key, value, *of_scales = kept
    over = _loop(query, key)
    of_query, of_key, of_value = over(of_head, (query, key, value, *of_scales, gradient))
    return of_query.astype(query.dtype), of_key.astype(key.dtype), of_value.astype(value.dtype), None


_attend.defvjp(_attend_forward, _attend_backward)


def _loop(query: jax.Array, key: jax.Array) -> Callable[[Callable[..., Any], tuple[Any, ...]], Any]:
    """How to take a function over the leading axis of its arguments: on a CPU one by one, where maps are large."""
    heads, scales, _, channels, _ = query.shape
    large = heads * scales * channels * key.shape[-1] > _CACHED_SCORES

    def over(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        def one_by_one(*arguments: Any) -> Any:
            return jax.lax.map(lambda one: function(*one), arguments)

        if not large:
            return jax.vmap(function)(*arguments)
        return jax.lax.platform_dependent(*arguments, cpu=one_by_one, default=jax.vmap(function))

    return over


def _piece_forward(
    dropout: float, key: jax.Array, value: jax.Array, query: jax.Array, seed: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """The context [batch, rows, tokens], and the logarithm of each row's sum of exponentials [batch, rows, 1]."""
    scores = _product("brt,btd->brd", query, key)
    highest = scores.max(axis=-1, keepdims=True)
    weights = jnp.exp(scores - highest)
    total = weights.sum(axis=-1, keepdims=True)
    weights = _dropped(weights, dropout, seed).astype(value.dtype)
    return _product("brd,btd->brt", weights, value) / total, highest + jnp.log(total)


def _piece_backward(
    dropout: float,
    key: jax.Array,
    value: jax.Array,
    query: jax.Array,
    seed: jax.Array | None,
    context: jax.Array,
    normaliser: jax.Array,
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The gradients of query, key and value, float32.

    Softmax's gradient needs the sum of attention x its gradient over a row, which is that of context x its gradient.
    """
    dtype = value.dtype
    attention = jnp.exp(_product("brt,btd->brd", query, key) - normaliser)
    of_dropped = _product("brt,btd->brd", gradient.astype(dtype), value)
    dropped = _dropped(attention, dropout, seed).astype(dtype)
    inner = (gradient * context).sum(axis=-1, keepdims=True)
    of_scores = (attention * (_dropped(of_dropped, dropout, seed) - inner)).astype(dtype)
    of_value = _product("brt,brd->btd", gradient.astype(dtype), dropped)
    of_key = _product("brt,brd->btd", query, of_scores)
    of_query = _product("brd,btd->brt", of_scores, key)
    return of_query, of_key, of_value


def _precise(dtype: jnp.dtype) -> jnp.dtype:
    """What sums and exponentials are computed in: float32 at least."""
    return jnp.promote_types(dtype, jnp.float32)


def _product(subscripts: str, left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.einsum(subscripts, left, right, preferred_element_type=_precise(left.dtype))


def _dropped(x: jax.Array, dropout: float, seed: jax.Array | None) -> jax.Array:
    """Zero where a random byte is below 256 dropout, scaled up elsewhere; four bytes are one random number's."""
    if dropout == 0:
        return x
    words = jax.random.bits(seed, (*x.shape[:-1], -(-x.shape[-1] // 4)), jnp.uint32)
    random_bytes = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., words, 4]
    random_bytes = random_bytes.reshape(*x.shape[:-1], -1)[..., : x.shape[-1]]
    return jnp.where(random_bytes >= round(256 * dropout), x / (1 - dropout), 0)
