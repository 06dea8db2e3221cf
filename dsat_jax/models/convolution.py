"""3x3 convolutions whose gradients have the form that is fast on the platform.

XLA computes the gradient of a kernel as a convolution with the output's gradient as its kernel. On a CPU that takes up
to 7 times as long as matrix products of strips that stay in its cache, and inside a loop, as that over the hourglasses,
it falls back to code that is 20 times slower, for the gradient of the input too unless it looks like a convolution.
"""

import math

import jax
import jax.numpy as jnp

_CACHED_VALUES = 2**18  # of a strip of the input


@jax.custom_vjp
def convolve_3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A 3x3 convolution that keeps the size, padded by 1 on every side.

    Args:
      x: [batch, height, width, inputs].
      kernel: [3, 3, inputs, outputs], of the same type.

    Returns:
      [batch, height, width, outputs].
    """
    return _convolution(x, kernel)


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


Pair = tuple[jax.Array, jax.Array]


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Pair]:
    return _convolution(x, kernel), (x, kernel)


def _backward(kept: Pair, gradient: jax.Array) -> Pair:
    return jax.lax.platform_dependent(*kept, gradient, cpu=_cpu_gradients, default=_xla_gradients)


convolve_3x3.defvjp(_forward, _backward)


def _xla_gradients(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> Pair:
    return jax.vjp(_convolution, x, kernel)[1](gradient)


def _cpu_gradients(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> Pair:
    of_x = _convolution(gradient, kernel[::-1, ::-1].swapaxes(2, 3))
    return of_x, _kernel_gradient(x, gradient).astype(kernel.dtype)


def _kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """[3, 3, inputs, outputs]: the sum over strips of a product of their 3x3 windows and their gradients."""
    _, rows, columns, inputs = x.shape
    outputs = gradient.shape[-1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    fitting = max(_CACHED_VALUES * rows // x.size, 1)
    strip_rows = math.gcd(rows, 1 << (fitting.bit_length() - 1))  # a power of two that divides the rows

    def add_strip(total: jax.Array, first_row: jax.Array) -> tuple[jax.Array, None]:
        strip = jax.lax.dynamic_slice_in_dim(padded, first_row, strip_rows + 2, axis=1)
        windows = [
            strip[:, row : row + strip_rows, column : column + columns]
            for row in range(3)
            for column in range(3)
        ]
        windows = jnp.concatenate(windows, axis=-1)  # [batch, strip rows, width, 9 inputs]
        of_strip = jax.lax.dynamic_slice_in_dim(gradient, first_row, strip_rows, axis=1)
        product = jnp.einsum("bhwc,bhwd->cd", windows, of_strip, preferred_element_type=total.dtype)
        return total + product, None

    start = jnp.zeros((9 * inputs, outputs), jnp.promote_types(x.dtype, jnp.float32))
    total, _ = jax.lax.scan(add_strip, start, jnp.arange(0, rows, strip_rows))
    return total.reshape(3, 3, inputs, outputs)
