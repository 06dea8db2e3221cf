"""Attention between channels against the formula as it is written, with the whole map in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax.models import channel_attention
from dsat_jax.models.channel_attention import attend

BATCH, HEADS, SCALES, TOKENS, CHANNELS = 2, 3, 2, 4, 6
WIDE = SCALES * CHANNELS


@pytest.fixture
def factors() -> list[np.ndarray]:
    """Query, key and value whose means are not zero."""
    rng = np.random.default_rng(0)
    shapes = [(BATCH, HEADS, SCALES, TOKENS, CHANNELS), *[(BATCH, HEADS, TOKENS, WIDE)] * 2]
    return [rng.normal(shift, 1.0, shape).astype(np.float32) for shift, shape in enumerate(shapes)]


def attention_maps(query, key):
    """[batch, heads, scales, channels, wide], as the paper has them."""
    scores = jnp.einsum("bhstc,bhtd->bhscd", query, key) / np.sqrt(WIDE)
    centred = scores - scores.mean(axis=(-2, -1), keepdims=True)
    variance = (centred**2).mean(axis=(-2, -1), keepdims=True)
    return jax.nn.softmax(centred / jnp.sqrt(variance + 1e-5), axis=-1)


def as_written(query, key, value, kept=1.0):
    """With the share of each element of the map that dropout keeps."""
    attention = attention_maps(query, key) * kept
    return jnp.einsum("bhscd,bhtd->bhstc", attention, value).mean(axis=1)


def gradients(function, factors):
    """Of a sum with unequal weights."""
    weights = np.random.default_rng(1).normal(size=(BATCH, SCALES, TOKENS, CHANNELS)).astype(np.float32)
    return jax.grad(lambda factors: (function(*factors) * weights).sum())(factors)


@pytest.fixture(params=[2**18, 0], ids=["at once", "one after the other"])
def cached_scores(request, monkeypatch):
    """Both ways to go through the maps."""
    monkeypatch.setattr(channel_attention, "_CACHED_SCORES", request.param)


@pytest.mark.usefixtures("cached_scores")
def test_it_is_the_formula_as_written(factors):
    np.testing.assert_allclose(attend(*factors), as_written(*factors), rtol=0, atol=2e-6)
    for ours, expected in zip(gradients(attend, factors), gradients(as_written, factors), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-6)


def test_epsilon_counts_where_scores_hardly_vary(factors):
    query, key, value = factors
    query = query * 1e-3
    np.testing.assert_allclose(attend(query, key, value), as_written(query, key, value), rtol=0, atol=2e-6)


@pytest.mark.usefixtures("cached_scores")
def test_dropout_is_that_of_the_map_and_so_is_its_gradient(factors):
    """A value that is one in one column and token reads the map out: what was dropped is known element by element."""
    query, key, value = factors
    dropping = jax.jit(lambda *factors: attend(*factors, 0.3, jax.random.key(5)))
    rate = round(256 * 0.3) / 256
    for head in range(HEADS):
        kept = np.zeros((BATCH, HEADS, SCALES, CHANNELS, WIDE), np.float32)
        for column in range(WIDE):
            reading = np.zeros_like(value)
            reading[:, head, 0, column] = HEADS
            seen = dropping(query, key, reading)[:, :, 0]  # [batch, scales, channels]
            kept[:, head, ..., column] = seen / attention_maps(query, key)[:, head, ..., column]
        nothing, everything = (
            np.isclose(kept[:, head], 0),
            np.isclose(kept[:, head], 1 / (1 - rate), rtol=1e-4),
        )
        assert (nothing ^ everything).all()
        assert 0.15 < nothing.mean() < 0.45
        alone = np.zeros_like(value)
        alone[:, head] = value[:, head]
        expected = gradients(lambda *factors, kept=kept: as_written(*factors, kept), [query, key, alone])
        for ours, theirs in zip(gradients(dropping, [query, key, alone]), expected, strict=True):
            if ours.shape == alone.shape:  # of key and value: the other heads' gradients are not zero
                ours, theirs = ours[:, head], theirs[:, head]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6)


def test_dropout_keeps_the_share_that_it_says():
    """100,000 elements: the share of zeros is 26/256 within four standard deviations."""
    dropped = channel_attention._dropped(jnp.ones((100, 999)), round(256 * 0.1) / 256, jax.random.key(0))
    share = float((dropped == 0).mean())
    assert abs(share - 26 / 256) < 4 * np.sqrt(0.1 * 0.9 / 99900)
    np.testing.assert_allclose(dropped.max(), 256 / 230, rtol=1e-6)
    columns = np.asarray(dropped == 0).mean(axis=0)
    assert all(abs(columns[i::4].mean() - 26 / 256) < 0.008 for i in range(4))  # each byte of a word alike


def test_bfloat16_stays_near_float32(factors):
    halves = [jnp.asarray(factor, jnp.bfloat16) for factor in factors]
    out = attend(*halves)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(np.float32), as_written(*factors), rtol=0, atol=0.05)
