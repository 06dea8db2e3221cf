"""1x1 and 3x3 convolutions that are fast on a CPU, with their gradients.

On a CPU, XLA leaves a convolution to YNNPACK if it has at least 24 outputs. With zeros as outputs up to this number,
one of 4 to 16 inputs takes about half the time. One of an image, with 3 inputs, takes a third if it computes blocks of
2x2 pixels from 3x3 such blocks.

XLA computes the gradient of a kernel as a convolution whose kernel is the gradient of the output. On a CPU this is up
to 7 times slower than matrix products of strips that fit in the cache. Inside a loop, such as the one over the
hourglasses, XLA uses code that is 20 times slower. This also affects the gradient of the input, unless it is written
as a convolution.

The gradient of a 1x1 kernel is a product of the transposed input. XLA would compute the operations before it again in
the order of the transposed array, which takes longer than the product.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

_FEWEST_OUTPUTS = 24  # of a convolution by YNNPACK
_IMAGE_CHANNELS = 3
_CACHED_VALUES = 2**18  # largest number of values in a strip of the input
# Whether a tap [block, pixel of the input block, pixel of the output block, tap] of the convolution connects them.
_TAPS = np.fromfunction(
    lambda block, pixel, out, tap: 2 * (block - 1) + pixel - out == tap - 1, (3, 2, 2, 3)
).astype(np.float32)


@jax.custom_vjp
def convolve_3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the 3x3 convolution of feature maps with a padding of 1, which preserves height and width.

    Args:
      x: feature maps [batch, height, width, inputs].
      kernel: weights [3, 3, inputs, outputs] with the dtype of `x`.

    Returns:
      Feature maps [batch, height, width, outputs].
    """
    return _fast_convolution(x, kernel)


def _fast_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.platform_dependent(x, kernel, cpu=_cpu_convolution, default=_convolution)


def _cpu_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    _, height, width, inputs = x.shape
    outputs = kernel.shape[-1]
    if inputs <= _IMAGE_CHANNELS and height % 2 == width % 2 == 0:
        return _convolution_of_blocks(x, kernel)
    more = max(_FEWEST_OUTPUTS - outputs, 0)
    return _convolution(x, jnp.pad(kernel, ((0, 0), (0, 0), (0, 0), (0, more))))[..., :outputs]


def _convolution_of_blocks(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the convolution as one from blocks of 2x2 pixels to such blocks; height and width are even."""
    batch, height, width, inputs = x.shape
    outputs = kernel.shape[-1]
    blocks = x.reshape(batch, height // 2, 2, width // 2, 2, inputs).swapaxes(2, 3)
    blocks = blocks.reshape(
        batch, height // 2, width // 2, 4 * inputs
    )  # rows, columns and channels of a block
    taps = _TAPS.astype(kernel.dtype)
    # i, j: pixel of the input block; p, q: pixel of the output block.
    of_blocks = jnp.einsum("aipk,bjql,klcd->abijcpqd", taps, taps, kernel, precision="highest")
    out = _convolution(blocks, of_blocks.reshape(3, 3, 4 * inputs, 4 * outputs))
    out = out.reshape(batch, height // 2, width // 2, 2, 2, outputs).swapaxes(2, 3)
    return out.reshape(batch, height, width, outputs)


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


Pair = tuple[jax.Array, jax.Array]


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Pair]:
    return _fast_convolution(x, kernel), (x, kernel)


def _backward(residuals: Pair, d_out: jax.Array) -> Pair:
    return jax.lax.platform_dependent(*residuals, d_out, cpu=_cpu_gradients, default=_xla_gradients)


convolve_3x3.defvjp(_forward, _backward)


def _xla_gradients(x: jax.Array, kernel: jax.Array, d_out: jax.Array) -> Pair:
    return jax.vjp(_convolution, x, kernel)[1](d_out)


def _cpu_gradients(x: jax.Array, kernel: jax.Array, d_out: jax.Array) -> Pair:
    d_x = _cpu_convolution(d_out, kernel[::-1, ::-1].swapaxes(2, 3))
    return d_x, _kernel_gradient(x, d_out).astype(kernel.dtype)


def _kernel_gradient(x: jax.Array, d_out: jax.Array) -> jax.Array:
    """Returns the kernel gradient [3, 3, inputs, outputs]: products of 3x3 windows and d_out, summed over strips."""
    _, rows, columns, inputs = x.shape
    outputs = d_out.shape[-1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    max_strip_rows = max(_CACHED_VALUES * rows // x.size, 1)
    power_of_two = 1 << (max_strip_rows.bit_length() - 1)
    strip_rows = math.gcd(rows, power_of_two)

    def add_strip(total: jax.Array, first_row: jax.Array) -> tuple[jax.Array, None]:
        strip = jax.lax.dynamic_slice_in_dim(padded, first_row, strip_rows + 2, axis=1)
        windows = [
            strip[:, row : row + strip_rows, column : column + columns]
            for row in range(3)
            for column in range(3)
        ]
        windows = jnp.concatenate(windows, axis=-1)  # [batch, strip rows, width, 9 inputs]
        d_strip = jax.lax.dynamic_slice_in_dim(d_out, first_row, strip_rows, axis=1)
        product = jnp.einsum("bhwc,bhwd->cd", windows, d_strip, preferred_element_type=total.dtype)
        return total + product, None

    start = jnp.zeros((9 * inputs, outputs), jnp.promote_types(x.dtype, jnp.float32))
    total, _ = jax.lax.scan(add_strip, start, jnp.arange(0, rows, strip_rows))
    return total.reshape(3, 3, inputs, outputs)


@jax.custom_vjp
def convolve_1x1(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the 1x1 convolution of feature maps, a matrix product over the channels.

    Args:
      x: feature maps [..., inputs].
      kernel: weights [inputs, outputs] with the dtype of `x`.

    Returns:
      Feature maps [..., outputs].
    """
    return x @ kernel


def _backward_1x1(residuals: Pair, d_out: jax.Array) -> Pair:
    return jax.lax.platform_dependent(
        *residuals,
        d_out,
        cpu=lambda *arguments: _gradients_1x1(*jax.lax.optimization_barrier(arguments)),
        default=_gradients_1x1,
    )


def _gradients_1x1(x: jax.Array, kernel: jax.Array, d_out: jax.Array) -> Pair:
    return jax.vjp(jnp.matmul, x, kernel)[1](d_out)


convolve_1x1.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _backward_1x1)
