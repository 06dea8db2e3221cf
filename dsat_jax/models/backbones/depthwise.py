"""Depthwise 3x3 convolution, fast on every platform.

On a CPU, XLA runs a grouped convolution 20 to 100 times slower than the nine products of shifted images that it
is, and the gradient of its kernel as slowly; both are written out here. GPUs and TPUs get the convolution itself.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax


class DepthwiseConv(nn.Module):
    """A 3x3 kernel for every channel, padded by 1 on every side, without bias.

    Attributes:
      stride: of the convolution.
      dtype: compute dtype.
    """

    stride: int = 1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, height, width, channels] -> [batch, height / stride, width / stride, channels], rounded up."""
        # He's initialisation: each output feeds the 9 products of its own channel.
        kernel = self.param("kernel", nn.initializers.normal((2 / 9) ** 0.5), (3, 3, x.shape[-1]))
        x, kernel = promote_dtype(x, kernel, dtype=self.dtype)
        return depthwise_conv(x, kernel, self.stride)


def depthwise_conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Convolves every channel with its own 3x3 kernel, padded by 1 on every side.

    Args:
      x: [batch, height, width, channels].
      kernel: [3, 3, channels].
      stride: on both axes.

    Returns:
      [batch, height / stride, width / stride, channels], rounded up.
    """
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _by_taps(*map(_in_float32, (x, kernel)), stride).astype(x.dtype),
        default=lambda x, kernel: _by_convolution(x, kernel, stride),
    )


def _in_float32(x: jax.Array) -> jax.Array:
    """Sums of products are float32, as inside a convolution."""
    return x.astype(jnp.float32)


def _by_convolution(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],  # [3, 3, 1, channels]
        (stride, stride),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_taps(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    height, width = (-(-side // stride) for side in x.shape[1:3])
    return _sum_of_taps(_pad(x, 1, 1), kernel, stride, height, width)


def _by_taps_forward(
    x: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _by_taps(x, kernel, stride), (x, kernel)


def _by_taps_backward(
    stride: int, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, height, width, _ = x.shape
    return _input_gradient(gradient, kernel, stride, height, width), _kernel_gradient(x, gradient, stride)


_by_taps.defvjp(_by_taps_forward, _by_taps_backward)


def _pad(x: jax.Array, before: int, after: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))


def _taps(x: jax.Array, stride: int, height: int, width: int) -> Iterator[jax.Array]:
    """The nine shifted images [batch, height, width, channels] of a padded one, in the kernel's order."""
    for i in range(3):
        for j in range(3):
            yield x[:, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride]


def _sum_of_taps(x: jax.Array, kernel: jax.Array, stride: int, height: int, width: int) -> jax.Array:
    weights = kernel.reshape(9, -1)  # [tap, channels]
    return sum(tap * weight for tap, weight in zip(_taps(x, stride, height, width), weights, strict=True))


def _input_gradient(
    gradient: jax.Array, kernel: jax.Array, stride: int, height: int, width: int
) -> jax.Array:
    """The same sum over the gradient, spread to the input's pixels, with the kernel turned round."""
    rows, columns = (
        (1, 1 + side - (stride * (count - 1) + 1), stride - 1)
        for side, count in zip((height, width), gradient.shape[1:3], strict=True)
    )
    spread = lax.pad(gradient, 0.0, ((0, 0, 0), rows, columns, (0, 0, 0)))
    return _sum_of_taps(spread, kernel[::-1, ::-1], 1, height, width)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, stride: int) -> jax.Array:
    """Sums products row by row: XLA's own sum over all pixels of a channel jumps through memory."""
    batch, height, width, channels = gradient.shape
    padded = _pad(x, 1, 1)

    def add_row(row: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rows = lax.dynamic_slice_in_dim(padded, stride * row, 3, axis=1)
        factor = lax.dynamic_slice_in_dim(gradient, row, 1, axis=1)
        taps = _taps(rows, stride, 1, width)
        return tuple(total + tap * factor for total, tap in zip(sums, taps, strict=True))

    zeros = jnp.zeros((batch, 1, width, channels))
    sums = lax.fori_loop(0, height, add_row, (zeros,) * 9)
    totals = jnp.stack([total.sum(axis=(0, 1, 2)) for total in sums])  # [tap, channels]
    return totals.reshape(3, 3, channels)
