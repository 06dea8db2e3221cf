"""Changes of the resolution of feature maps: pooling and transposed convolution.

On a CPU, reshapes and matrix products are the fastest forms, forward and backward. On TPUs they copy the maps between
layouts; the operations that XLA has for these layers take a half to a tenth of the cycles that its compiler expects.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax

from dsat_jax.models.layers import kernel_init
from dsat_jax.models.target_device import is_for_tpus


def avg_pool(x: jax.Array, size: int) -> jax.Array:
    """Returns the mean over non-overlapping size x size windows: [B, H, W, C] -> [B, H / size, W / size, C]."""
    if is_for_tpus():
        total = lax.reduce_window(x.astype(jnp.float32), 0.0, lax.add, *_strides(size), "VALID")
        return (total / size**2).astype(x.dtype)
    return _windows(x, size).mean(axis=(2, 4))


def max_pool(x: jax.Array, size: int) -> jax.Array:
    """Returns the maximum over non-overlapping size x size windows: [B, H, W, C] -> [B, H / size, W / size, C]."""
    if is_for_tpus():
        return lax.reduce_window(x, -jnp.inf, lax.max, *_strides(size), "VALID")
    return _windows(x, size).max(axis=(2, 4))


def _strides(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the shape of a window and its strides."""
    return (1, size, size, 1), (1, size, size, 1)


def _windows(x: jax.Array, size: int) -> jax.Array:
    """Returns non-overlapping windows: [B, H, W, C] -> [B, H / size, size, W / size, size, C]."""
    # The gradient of this reshape is faster than that of `reduce_window`.
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // size, size, width // size, size, channels)


class TransposedConv(nn.Module):
    """Transposed convolution that doubles height and width: 4x4 kernel, stride 2, padding 1, with bias.

    Kernel tap o - 2 i + 1 connects input pixel i with output pixel o, as in PyTorch.

    Attributes:
      features: number of output channels.
      initializer: initialiser of the kernel [4, 4, any, features].
      dtype: compute dtype.
    """

    features: int
    initializer: nn.initializers.Initializer = kernel_init()
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the enlarged maps: [batch, height, width, any] -> [batch, 2 height, 2 width, features]."""
        # fan_in counts all 16 taps, as in PyTorch, although an output pixel depends on 4 of them.
        kernel = self.param("kernel", self.initializer, (4, 4, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return (_dilated(x, kernel) if is_for_tpus() else _by_windows(x, kernel)) + bias


def _dilated(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the transposed convolution as a convolution of the input with zeros between its pixels."""
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        window_strides=(1, 1),
        padding=((2, 2), (2, 2)),
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _by_windows(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns the transposed convolution as one matrix product over 2x2 windows.

    Output pixels 2m - 1 and 2m depend only on the input pixels m - 1 and m. The product therefore computes all four
    phases of the output without the zeros of a dilated input. Its gradients are matrix products too.
    """
    batch, height, width, channels = x.shape
    features = kernel.shape[-1]
    # Kernel tap 2 (1 - a) + r connects window position a with output phase r, on both axes.
    kernel = kernel.reshape(2, 2, 2, 2, channels, features)  # [1-a_y, r_y, 1-a_x, r_x, in, out]
    kernel = kernel[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)  # [a_y, a_x, in, r_y, r_x, out]
    kernel = kernel.reshape(4 * channels, 4 * features)
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [x[:, a_y : a_y + height + 1, a_x : a_x + width + 1] for a_y in (0, 1) for a_x in (0, 1)]
    x = jnp.concatenate(windows, axis=-1) @ kernel  # [B, H + 1, W + 1, 4 features]
    x = x.reshape(batch, height + 1, width + 1, 2, 2, features)
    x = x.transpose(0, 1, 3, 2, 4, 5)  # [B, H + 1, r_y, W + 1, r_x, features]
    x = x.reshape(batch, 2 * height + 2, 2 * width + 2, features)
    return x[:, 1:-1, 1:-1]
