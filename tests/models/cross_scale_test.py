import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax.models import cross_scale


def recorded(golden, module: str, side: str, count: int = 4) -> list[jax.Array]:
    return [golden[f"eval/{module}/{side}{i}"] for i in range(count)]


@pytest.fixture
def transformer_variables(golden_variables) -> dict:
    stacked = {kind: tree["hourglasses"]["channel_transformer"] for kind, tree in golden_variables.items()}
    return jax.tree.map(lambda leaf: leaf[0], stacked)


def test_channel_transformer_matches_the_released_network(golden, transformer_variables):
    module = cross_scale.ChannelTransformer(layers=3, heads=4)
    maps = recorded(golden, "channel_transformer_1", "in")
    out = jax.jit(functools.partial(module.apply, train=False))(transformer_variables, maps)
    for scale, expected in zip(out, recorded(golden, "channel_transformer_1", "out"), strict=True):
        np.testing.assert_allclose(scale, expected, rtol=0, atol=1e-4)


def test_encoder_matches_the_released_network(golden, transformer_variables):
    module = cross_scale.Encoder(layers=3, heads=4, expand=4, dropout=0.0)
    params = {"params": transformer_variables["params"]["encoder"]}
    out = jax.jit(functools.partial(module.apply, train=False))(
        params, jnp.stack(recorded(golden, "encoder_1", "in"), axis=1)
    )
    expected = jnp.stack(recorded(golden, "encoder_1", "out"), axis=1)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


def test_attention_matches_the_released_network(golden, transformer_variables):
    module = cross_scale.ChannelAttention(heads=4, dropout=0.0)
    params = {"params": transformer_variables["params"]["encoder"]["block_1"]["attention"]}
    scales = jnp.stack(recorded(golden, "attention_1_0", "in"), axis=1)
    out = module.apply(params, scales, golden["eval/attention_1_0/in4"], train=False)
    expected = jnp.stack(recorded(golden, "attention_1_0", "out"), axis=1)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


def test_attention_drops_out_in_training_only():
    module = cross_scale.ChannelAttention(heads=2, dropout=0.5)
    scales = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    concatenated = jax.random.normal(jax.random.key(1), (2, 4, 15))
    template = jax.eval_shape(
        functools.partial(module.init, train=False), jax.random.key(2), scales, concatenated
    )
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), template)

    # Random numbers compile ten times faster without optimisation.
    @functools.partial(
        jax.jit, static_argnames="train", compiler_options={"xla_backend_optimization_level": 0}
    )
    def run(train: bool, seed: int) -> jax.Array:
        return module.apply(params, scales, concatenated, train=train, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(run(False, 0), run(False, 1))
    np.testing.assert_array_equal(run(True, 0), run(True, 0))
    assert jnp.any(run(True, 0) != run(True, 1))


def test_scale_linear_is_a_linear_layer_for_each_scale():
    module = cross_scale.ScaleLinear(4)
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 6))
    variables = module.init(jax.random.key(1), x)
    variables["params"]["bias"] = jnp.arange(12.0).reshape(3, 4)
    out = module.apply(variables, x)
    for scale in range(3):
        expected = x[:, scale] @ variables["params"]["kernel"][scale] + jnp.arange(4.0) + 4 * scale
        np.testing.assert_allclose(out[:, scale], expected, rtol=0, atol=1e-5)


def test_reconstruction_on_tokens_equals_reconstruction_on_upsampled_maps():
    """Convolution, normalisation and ReLU commute with repeating pixels, batch statistics included."""
    x = jax.random.normal(jax.random.key(0), (3, 2, 2, 4))
    norm = cross_scale.batch_norm(True, "norm", jnp.float32)
    variables = norm.init(jax.random.key(0), x)
    before, stats_before = norm.apply(variables, x, mutable=["batch_stats"])
    after, stats_after = norm.apply(variables, cross_scale.upsample_nearest(x, 4), mutable=["batch_stats"])
    np.testing.assert_allclose(cross_scale.upsample_nearest(before, 4), after, rtol=0, atol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), stats_before, stats_after)


def test_upsample_nearest_by_hand():
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(cross_scale.upsample_nearest(x, 2)[0, :, :, 0], expected)
