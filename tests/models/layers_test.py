import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dsat_jax.models import layers


@pytest.fixture
def images() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (2, 6, 6, 4))


def test_stem_block_matches_the_released_network(golden, golden_variables):
    variables = {kind: tree["stem_block_2"] for kind, tree in golden_variables.items()}
    expected = golden["eval/stem/out0"]
    out = layers.ConvBlock(expected.shape[-1]).apply(variables, golden["eval/stem/in0"], train=False)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


def test_conv1x1_is_a_1x1_convolution(images):
    module = layers.Conv1x1(5)
    variables = module.init(jax.random.key(1), images)
    kernel = variables["params"]["kernel"][None, None]
    expected = lax.conv_general_dilated(
        images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(module.apply(variables, images), expected, rtol=0, atol=1e-5)


def test_block_without_shortcut_layers_keeps_its_input(images):
    block = layers.ConvBlock(4)
    variables = block.init(jax.random.key(1), images, train=False)
    assert "shortcut_conv" not in variables["params"]
    zeroed = jax.tree.map(jnp.zeros_like, variables)
    np.testing.assert_array_equal(block.apply(zeroed, images, train=False), images)


def test_initial_kernels_are_uniform_within_one_over_the_root_of_fan_in():
    kernel = layers.kernel_init(batch_axis=[0])(jax.random.key(0), (2, 100, 400))
    assert 0.0999 < float(jnp.abs(kernel).max()) <= 0.1
    np.testing.assert_allclose(kernel.std(), 0.1 / np.sqrt(3), rtol=0.01)


def test_batch_norm_updates_its_statistics_as_in_pytorch():
    norm = layers.batch_norm(True, "norm", jnp.float32)
    x = jnp.array([[0.0], [4.0]])
    variables = norm.init(jax.random.key(0), x)
    out, updates = norm.apply(variables, x, mutable=["batch_stats"])
    np.testing.assert_allclose(out, [[-2 / np.sqrt(4 + 1e-5)], [2 / np.sqrt(4 + 1e-5)]], rtol=1e-6)
    np.testing.assert_allclose(updates["batch_stats"]["mean"], [0.1 * 2], rtol=1e-6)
    np.testing.assert_allclose(updates["batch_stats"]["var"], [0.9 + 0.1 * 4], rtol=1e-6)
