"""Attention, encoder and decoder, compared with NumPy; position encodings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from dsat_jax.models import transformer
from dsat_jax.models.transformer import Attention, DecoderLayer, EncoderLayer

DIM, HEADS, WIDTH = 12, 3, 20


def tokens(seed: int, count: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (2, count, DIM))


def randomised(variables: dict) -> dict:
    """Returns parameters different from their initial zeros and ones, as NumPy arrays."""
    generator = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) + 0.3 * generator.normal(size=leaf.shape).astype(np.float32), variables
    )


def dense(params: dict, x: np.ndarray) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def attention(params: dict, query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Returns the attention of one face, [tokens, dim], head by head."""
    query, key, value = (
        dense(params[name], x) for name, x in (("query", query), ("key", key), ("value", value))
    )
    depth, results = DIM // HEADS, []
    for head in range(HEADS):
        channels = slice(head * depth, (head + 1) * depth)
        scores = query[:, channels] @ key[:, channels].T / np.sqrt(depth)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        results.append(weights @ value[:, channels])
    return dense(params["out"], np.concatenate(results, axis=1))


def layer_norm(params: dict, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * params["scale"] + params["bias"]


def feed_forward(params: dict, x: np.ndarray) -> np.ndarray:
    return dense(params["out"], np.maximum(dense(params["hidden"], x), 0))


def test_attention_against_numpy():
    query, key, value = tokens(0, 5), tokens(1, 7), tokens(2, 7)
    module = Attention(HEADS)
    variables = randomised(module.init(jax.random.key(3), query, key, value))
    attended = module.apply(variables, query, key, value)
    expected = [
        attention(variables["params"], *face)
        for face in zip(*map(np.asarray, (query, key, value)), strict=True)
    ]
    np.testing.assert_allclose(attended, expected, atol=1e-4)


def test_encoder_layer_against_numpy():
    x, position = tokens(0, 6), tokens(1, 6)[0]
    module = EncoderLayer(HEADS, WIDTH)
    variables = randomised(module.init(jax.random.key(3), x, position, False))
    params, expected = variables["params"], []
    for face in np.asarray(x):
        positioned = face + np.asarray(position)
        face = layer_norm(
            params["attention_norm"], face + attention(params["attention"], positioned, positioned, face)
        )
        expected.append(
            layer_norm(params["feed_forward_norm"], face + feed_forward(params["feed_forward"], face))
        )
    np.testing.assert_allclose(module.apply(variables, x, position, False), expected, atol=1e-4)


def test_decoder_layer_against_numpy():
    x, memory, position = tokens(0, 4), tokens(1, 6), tokens(2, 6)[0]
    module = DecoderLayer(HEADS, WIDTH)
    variables = randomised(module.init(jax.random.key(3), x, memory, position, False))
    params, expected = variables["params"], []
    for face, image in zip(np.asarray(x), np.asarray(memory), strict=True):
        face = layer_norm(
            params["self_attention_norm"], face + attention(params["self_attention"], face, face, face)
        )
        change = attention(params["cross_attention"], face, image + np.asarray(position), image)
        face = layer_norm(params["cross_attention_norm"], face + change)
        expected.append(
            layer_norm(params["feed_forward_norm"], face + feed_forward(params["feed_forward"], face))
        )
    np.testing.assert_allclose(module.apply(variables, x, memory, position, False), expected, atol=1e-4)


def test_positions_change_the_attention_weights_but_not_the_values():
    """Equal tokens have the same average at any positions; different tokens do not."""
    queries, position, other_position = tokens(0, 4), 3 * tokens(1, 6)[0], 3 * tokens(2, 6)[0]
    equal, different = jnp.ones((2, 6, DIM)) * tokens(3, 1), tokens(4, 6)
    encoder, decoder = EncoderLayer(HEADS, WIDTH), DecoderLayer(HEADS, WIDTH)
    encoder_variables = randomised(encoder.init(jax.random.key(5), equal, position, False))
    decoder_variables = randomised(decoder.init(jax.random.key(5), queries, equal, position, False))

    def change(image: jax.Array) -> list[float]:
        encoded = [encoder.apply(encoder_variables, image, p, False) for p in (position, other_position)]
        decoded = [
            decoder.apply(decoder_variables, queries, image, p, False) for p in (position, other_position)
        ]
        return [float(jnp.abs(first - second).max()) for first, second in (encoded, decoded)]

    np.testing.assert_allclose(change(equal), 0, atol=1e-5)
    assert min(change(different)) > 0.1


def test_attention_weights_are_sown_only_into_a_mutable_collection():
    query, key = tokens(0, 5), tokens(1, 7)
    module = Attention(HEADS)
    variables = module.init(jax.random.key(3), query, key, key)
    assert set(variables) == {"params"}
    out, updates = module.apply(variables, query, key, key, mutable=["intermediates"])
    (weights,) = updates["intermediates"]["weights"]
    assert weights.shape == (2, HEADS, 5, 7)
    value = dense(jax.tree.map(np.asarray, variables["params"]["value"]), np.asarray(key))
    averaged = np.einsum("bhqk,bkhd->bqhd", weights, value.reshape(2, 7, HEADS, -1)).reshape(2, 5, DIM)
    np.testing.assert_allclose(
        dense(jax.tree.map(np.asarray, variables["params"]["out"]), averaged), out, atol=1e-5
    )


def test_dropout_acts_in_training_only():
    x, position = tokens(0, 6), tokens(1, 6)[0]
    module = EncoderLayer(HEADS, WIDTH, dropout=0.5)
    variables = module.init(jax.random.key(3), x, position, False)
    one, other = (
        module.apply(variables, x, position, True, rngs={"dropout": jax.random.key(i)}) for i in (0, 1)
    )
    assert jnp.abs(one - other).max() > 0.1
    without = EncoderLayer(HEADS, WIDTH).apply(variables, x, position, True)
    np.testing.assert_allclose(module.apply(variables, x, position, False), without)


def test_bfloat16_is_close_to_float32():
    """The outputs are normalised to a variance of 1, with about ten roundings of at most 2^-9 each."""
    x, memory, position = tokens(0, 4), tokens(1, 6), tokens(2, 6)[0]
    module = DecoderLayer(HEADS, WIDTH)
    variables = module.init(jax.random.key(3), x, memory, position, False)
    expected = module.apply(variables, x, memory, position, False)
    rounded = module.clone(dtype=jnp.bfloat16).apply(variables, x, memory, position, False)
    assert rounded.dtype == jnp.bfloat16
    assert 0 < float(jnp.abs(rounded - expected).mean()) < 10 * 2**-9


def test_sine_position_by_hand():
    position = transformer.sine_position(nn.Module(), height=2, width=4, dim=8)
    assert position.shape == (8, 8)
    # Token 1 x 4 + 2 is in the last of 2 rows (2 pi) and the third of 4 columns (3/4 of 2 pi); the two
    # frequencies of 8 / 2 channels are 1 and 10000^(-1/2) = 0.01.
    row, column = 2 * np.pi, 1.5 * np.pi
    expected = [f(place * s) for place in (row, column) for s in (1, 0.01) for f in (np.sin, np.cos)]
    np.testing.assert_allclose(position[6], expected, atol=1e-6)


class _Position(nn.Module):
    @nn.compact
    def __call__(self) -> jax.Array:
        return transformer.learned_position(self, 3, 5, 8)


def test_learned_position_joins_row_and_column():
    position, variables = _Position().init_with_output(jax.random.key(0))
    assert {name: leaf.shape for name, leaf in variables["params"].items()} == {
        "position_rows": (3, 4),
        "position_columns": (5, 4),
    }
    expected = np.concatenate(
        [variables["params"]["position_rows"][2], variables["params"]["position_columns"][1]]
    )
    np.testing.assert_allclose(position[2 * 5 + 1], expected)


@pytest.mark.parametrize("name", ["query", "key", "value", "out"])
def test_projections_start_with_he_variance(name):
    x = jnp.ones((1, 2, 256))
    kernel = Attention(8).init(jax.random.key(0), x, x, x)["params"][name]["kernel"]
    assert float(kernel.std()) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
