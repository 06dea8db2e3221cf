import jax
import numpy as np
import pytest

from dsat_jax.models import convolution


@pytest.mark.parametrize(
    ("height", "width", "inputs", "outputs"),
    [(6, 4, 3, 5), (6, 4, 1, 30), (5, 4, 3, 5), (4, 5, 2, 30), (6, 4, 4, 5), (3, 3, 12, 24), (2, 2, 7, 25)],
)
def test_the_convolution_equals_its_definition(height, width, inputs, outputs):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, height, width, inputs)), rng.normal(size=(3, 3, inputs, outputs))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = sum(
        padded[:, row : row + height, column : column + width] @ kernel[row, column]
        for row, column in np.ndindex(3, 3)
    )
    out = convolution.convolve_3x3(np.float32(x), np.float32(kernel))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("cached_values", [2**18, 72, 0], ids=["whole", "two rows", "one row"])
def test_gradients_equal_the_explicit_sums(monkeypatch, cached_values):
    monkeypatch.setattr(convolution, "_CACHED_VALUES", cached_values)
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 4, 6, 3)), rng.normal(size=(3, 3, 3, 5))
    gradient = rng.normal(size=(2, 4, 6, 5))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    d_kernel, d_padded = np.zeros_like(kernel), np.zeros_like(padded)
    for row, column in np.ndindex(3, 3):
        window = np.s_[:, row : row + 4, column : column + 6]
        d_kernel[row, column] = np.einsum("bhwc,bhwd->cd", padded[window], gradient)
        d_padded[window] += gradient @ kernel[row, column].T

    arguments = [np.float32(array) for array in (x, kernel)]
    _, backward = jax.vjp(convolution.convolve_3x3, *arguments)
    ours = backward(np.float32(gradient))
    np.testing.assert_allclose(ours[0], d_padded[:, 1:-1, 1:-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours[1], d_kernel, rtol=0, atol=1e-4)


def test_gradients_of_a_1x1_convolution_are_products():
    rng = np.random.default_rng(0)
    x, kernel, gradient = (rng.normal(size=size) for size in ((2, 4, 6, 3), (3, 5), (2, 4, 6, 5)))
    out, backward = jax.vjp(convolution.convolve_1x1, np.float32(x), np.float32(kernel))
    np.testing.assert_allclose(out, x @ kernel, rtol=0, atol=1e-5)
    d_x, d_kernel = backward(np.float32(gradient))
    np.testing.assert_allclose(d_x, gradient @ kernel.T, rtol=0, atol=1e-5)
    np.testing.assert_allclose(d_kernel, np.einsum("bhwc,bhwd->cd", x, gradient), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("convolve", "size"), [(convolution.convolve_1x1, (2, 3)), (convolution.convolve_3x3, (3, 3, 2, 3))]
)
def test_bfloat16_keeps_its_type(convolve, size):
    x = jax.numpy.ones((1, 4, 4, 2), jax.numpy.bfloat16)
    kernel = jax.numpy.ones(size, jax.numpy.bfloat16)
    out, backward = jax.vjp(convolve, x, kernel)
    d_x, d_kernel = backward(out)
    assert out.dtype == d_x.dtype == d_kernel.dtype == jax.numpy.bfloat16
