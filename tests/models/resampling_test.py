"""Pooling and transposed convolution by hand, and the forms for TPUs against those for CPUs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType

from dsat_jax.models import resampling


@pytest.fixture
def images() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (2, 6, 6, 4))


def test_transposed_conv_adds_each_input_pixel_times_the_kernel(images):
    """By definition, input pixel i contributes to the output pixels 2 i - 1 .. 2 i + 2."""
    module = resampling.TransposedConv(3)
    variables = module.init(jax.random.key(1), images)
    kernel = np.asarray(variables["params"]["kernel"])
    expected = np.zeros((2, 14, 14, 3))
    for y in range(6):
        for x in range(6):
            spread = np.einsum("bc,ijcd->bijd", images[:, y, x], kernel)
            expected[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += spread
    np.testing.assert_allclose(module.apply(variables, images), expected[:, 1:-1, 1:-1], rtol=0, atol=1e-5)


def test_transposed_conv_adds_its_bias(images):
    module = resampling.TransposedConv(3)
    variables = module.init(jax.random.key(1), images)
    without = module.apply(variables, images)
    variables["params"]["bias"] = jnp.array([1.0, 2.0, 3.0])
    difference = module.apply(variables, images) - without
    np.testing.assert_allclose(difference, np.broadcast_to([1, 2, 3], (2, 12, 12, 3)), rtol=0, atol=1e-5)


def test_pooling_by_hand():
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(resampling.avg_pool(image, 2)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(resampling.max_pool(image, 2)[0, :, :, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(resampling.avg_pool(image, 4)[0, :, :, 0], [[7.5]])


def with_gradient(function, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns a result and the gradient of a weighted sum of it."""

    def weighted(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        out = function(x)
        return (out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)).sum(), out

    gradient, out = jax.grad(weighted, has_aux=True)(x)
    return out, gradient


@pytest.mark.parametrize("layer", ["avg_pool", "max_pool", "TransposedConv"])
def test_the_form_for_tpus_equals_that_for_cpus(images, layer):
    def function(x: jax.Array) -> jax.Array:
        if layer == "TransposedConv":
            return resampling.TransposedConv(3).apply(variables, x)
        return getattr(resampling, layer)(x, 2)

    variables = resampling.TransposedConv(3).init(jax.random.key(1), images)
    expected = with_gradient(function, images)
    device = AbstractDevice("TPU v5 lite", 1, "tpu")
    on_tpus = AbstractMesh((1,), ("data",), axis_types=(AxisType.Auto,), abstract_device=device)
    with jax.sharding.use_abstract_mesh(on_tpus):
        traced = jax.make_jaxpr(lambda x: with_gradient(function, x))(images)
    assert ("reduce_window" in str(traced)) or ("lhs_dilation=(2, 2)" in str(traced))
    results = jax.core.eval_jaxpr(traced.jaxpr, traced.consts, images)
    for ours, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-5)
