"""Attention between channels, compared with the formula of the paper on the whole map."""

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
    """Returns the attention maps of the paper, [batch, heads, scales, channels, wide]."""
    scores = jnp.einsum("bhstc,bhtd->bhscd", query, key) / np.sqrt(WIDE)
    centred = scores - scores.mean(axis=(-2, -1), keepdims=True)
    variance = (centred**2).mean(axis=(-2, -1), keepdims=True)
    return jax.nn.softmax(centred / jnp.sqrt(variance + 1e-5), axis=-1)


def by_formula(query, key, value, kept=1.0):
    """Returns the attention of the paper; `kept` are the factors of dropout for each element of the map."""
    attention = attention_maps(query, key) * kept
    return jnp.einsum("bhscd,bhtd->bhstc", attention, value).mean(axis=1)


def gradients(function, factors):
    """Returns the gradients of a weighted sum of the output."""
    weights = np.random.default_rng(1).normal(size=(BATCH, SCALES, TOKENS, CHANNELS)).astype(np.float32)
    return jax.grad(lambda factors: (function(*factors) * weights).sum())(factors)


@pytest.fixture(params=[2**18, 0], ids=["at once", "one after the other"])
def cached_scores(request, monkeypatch):
    """Both ways to process the maps."""
    monkeypatch.setattr(channel_attention, "_CACHED_SCORES", request.param)


@pytest.mark.usefixtures("cached_scores")
def test_attention_and_gradients_equal_the_formula(factors):
    np.testing.assert_allclose(attend(*factors), by_formula(*factors), rtol=0, atol=2e-6)
    for ours, expected in zip(gradients(attend, factors), gradients(by_formula, factors), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-6)


def test_epsilon_is_applied_to_scores_of_small_variance(factors):
    query, key, value = factors
    query = query * 1e-3
    np.testing.assert_allclose(attend(query, key, value), by_formula(query, key, value), rtol=0, atol=2e-6)


@pytest.mark.usefixtures("cached_scores")
def test_dropout_and_its_gradient_are_those_of_the_map(factors):
    """A value that is 1 in one column and token reads a column of the map, and so each dropped element."""
    query, key, value = factors
    dropping = jax.jit(lambda *factors: attend(*factors, 0.3, jax.random.key(5)))
    rate = round(256 * 0.3) / 256
    for head in range(HEADS):
        kept = np.zeros((BATCH, HEADS, SCALES, CHANNELS, WIDE), np.float32)
        for column in range(WIDE):
            reading = np.zeros_like(value)
            reading[:, head, 0, column] = HEADS
            column_of_map = dropping(query, key, reading)[:, :, 0]  # [batch, scales, channels]
            kept[:, head, ..., column] = column_of_map / attention_maps(query, key)[:, head, ..., column]
        is_dropped, is_kept = (
            np.isclose(kept[:, head], 0),
            np.isclose(kept[:, head], 1 / (1 - rate), rtol=1e-4),
        )
        assert (is_dropped ^ is_kept).all()
        assert 0.15 < is_dropped.mean() < 0.45
        alone = np.zeros_like(value)
        alone[:, head] = value[:, head]
        expected = gradients(lambda *factors, kept=kept: by_formula(*factors, kept), [query, key, alone])
        for ours, theirs in zip(gradients(dropping, [query, key, alone]), expected, strict=True):
            if ours.shape == alone.shape:  # key and value: the gradients of the other heads are not zero
                ours, theirs = ours[:, head], theirs[:, head]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6)


def test_the_share_of_dropped_elements_is_the_rate():
    """The share of zeros of 100,000 elements is 26/256 within four standard deviations."""
    dropped = channel_attention._dropped(jnp.ones((100, 999)), round(256 * 0.1) / 256, jax.random.key(0))
    share = float((dropped == 0).mean())
    assert abs(share - 26 / 256) < 4 * np.sqrt(0.1 * 0.9 / 99900)
    np.testing.assert_allclose(dropped.max(), 256 / 230, rtol=1e-6)
    columns = np.asarray(dropped == 0).mean(axis=0)
    assert all(
        abs(columns[i::4].mean() - 26 / 256) < 0.008 for i in range(4)
    )  # each byte of a word has the same rate


def test_bfloat16_stays_near_float32(factors):
    halves = [jnp.asarray(factor, jnp.bfloat16) for factor in factors]
    out = attend(*halves)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(np.float32), by_formula(*factors), rtol=0, atol=0.05)
