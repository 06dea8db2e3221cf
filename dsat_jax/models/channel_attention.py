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
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

INSTANCE_NORM_EPSILON = 1e-5
# Maps of this many scores stay in a processor's cache; an accelerator takes all of them at once.
_CACHED_SCORES = 2**20


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
    batch, heads, scales, tokens, channels = query.shape
    wide = key.shape[-1]
    query, key = _normalised(query, key)
    pieces = heads * scales  # maps that are computed one after the other
    query = query.transpose(1, 2, 0, 4, 3).reshape(pieces, batch, channels, tokens)
    key, value = (  # [pieces, batch, tokens, wide]
        jnp.broadcast_to(x.swapaxes(0, 1)[:, None], (heads, scales, batch, tokens, wide)).reshape(
            pieces, batch, tokens, wide
        )
        for x in (key, value)
    )
    seeds = None if dropout == 0 else jax.random.split(dropout_key, pieces)
    context = _attend(round(256 * dropout) / 256, query.astype(value.dtype), key, value, seeds)
    context = context.reshape(heads, scales, batch, channels, tokens)
    return context.mean(axis=0).transpose(1, 0, 3, 2).astype(value.dtype)


def _normalised(query: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Queries and keys whose products differ from the instance-normalised scores by a constant in each row.

    With q = q0 + q' and k = k0 + k' split into mean and rest over the channels, the variance of q.k over a map is
    k0.Q.k0 + q0.K.q0 + tr(Q K), where Q and K are the covariances of q' and k': the three parts are orthogonal.
    """
    dtype, channels, wide = key.dtype, query.shape[-1], key.shape[-1]
    query, key = query.astype(jnp.float32), key.astype(jnp.float32)
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
    """softmax(query key) value for each piece.

    Args:
      dropout: share of the map.
      query: [pieces, batch, rows, tokens].
      key: [pieces, batch, tokens, wide].
      value: [pieces, batch, tokens, wide].
      seeds: random keys [pieces], or None without dropout.

    Returns:
      float32 [pieces, batch, rows, tokens].
    """
    return _attend_forward(dropout, query, key, value, seeds)[0]


def _attend_forward(dropout: float, *arguments: Any) -> tuple[jax.Array, tuple[Any, ...]]:
    context, normaliser = _each(functools.partial(_piece_forward, dropout), arguments)
    return context, (*arguments, context, normaliser)


def _attend_backward(dropout: float, kept: tuple[Any, ...], gradient: jax.Array) -> tuple[Any, ...]:
    return (*_each(functools.partial(_piece_backward, dropout), (*kept, gradient)), None)


_attend.defvjp(_attend_forward, _attend_backward)


def _each(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """The function of every piece: one after the other where a processor's cache has room for one only."""
    query, key = arguments[:2]
    scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[-1]
    if jax.default_backend() == "cpu" and scores > _CACHED_SCORES:
        return jax.lax.map(lambda piece: function(*piece), arguments)
    return jax.vmap(function)(*arguments)


def _piece_forward(
    dropout: float, query: jax.Array, key: jax.Array, value: jax.Array, seed: jax.Array | None
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
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    seed: jax.Array | None,
    context: jax.Array,
    normaliser: jax.Array,
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The gradients of query, key and value.

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
    return of_query.astype(dtype), of_key.astype(dtype), of_value.astype(dtype)


_product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)


def _dropped(x: jax.Array, dropout: float, seed: jax.Array | None) -> jax.Array:
    """Zero where a random byte is below 256 dropout, scaled up elsewhere; four bytes are one random number's."""
    if dropout == 0:
        return x
    words = jax.random.bits(seed, (*x.shape[:-1], -(-x.shape[-1] // 4)), jnp.uint32)
    random_bytes = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., words, 4]
    random_bytes = random_bytes.reshape(*x.shape[:-1], -1)[..., : x.shape[-1]]
    return jnp.where(random_bytes >= round(256 * dropout), x / (1 - dropout), 0)
