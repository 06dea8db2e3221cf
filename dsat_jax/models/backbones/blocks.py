"""Block shared by all backbones: convolution, normalisation and activation, and the check of the input's size.

Feature maps are [batch, height, width, channels]. Parameters and normalisation statistics are float32; `dtype` is the
compute dtype of the products.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.errors import UserError
from dsat_jax.models.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Conv1x1

Activation = Callable[[jax.Array], jax.Array]

STRIDE = 32  # side of the input divided by side of the feature map, for every backbone
HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class FrozenNorm(nn.BatchNorm):
    """BatchNorm whose parameters receive no gradient."""

    def param(self, name: str, *args: Any, **kwargs: Any) -> jax.Array:
        """Returns a parameter as a constant."""
        return jax.lax.stop_gradient(super().param(name, *args, **kwargs))


def normalisation(
    train: bool, frozen: bool, name: str, dtype: jnp.dtype, epsilon: float = BATCH_NORM_EPSILON
) -> nn.BatchNorm:
    """Returns BatchNorm with the momentum of PyTorch.

    Args:
      train: whether to normalise with the statistics of the batch; no effect if `frozen`.
      frozen: whether the statistics, scale and bias are constant, also in training.
      name: name of the module.
      dtype: dtype of the output; statistics are float32.
      epsilon: constant added to the variance.
    """
    norm = FrozenNorm if frozen else nn.BatchNorm
    return norm(
        use_running_average=frozen or not train,
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=epsilon,
        dtype=dtype,
        name=name,
    )


def padding(size: int, stride: int, same: bool) -> tuple[int, int]:
    """Returns the padding before and after each axis of a convolution, in pixels.

    Args:
      size: side of the kernel, odd.
      stride: stride of the convolution.
      same: whether to pad as TensorFlow's SAME pads maps whose sides are multiples of the stride. Otherwise the padding
        on each side is half the kernel size, rounded down, as in PyTorch's networks. The two differ if the stride is 2:
        SAME pads one pixel less before the map, and thus centres the windows on other pixels.
    """
    if not same:
        return size // 2, size // 2
    before = (size - stride) // 2
    return before, size - stride - before


def check_sides(images: jax.Array, network: str) -> None:
    """Raises UserError, naming the network, if a side of the images [batch, height, width, 3] does not fit `STRIDE`."""
    _, height, width, _ = images.shape
    if height % STRIDE or width % STRIDE:
        raise UserError(
            f"{network} takes images whose sides are multiples of {STRIDE} pixels, got {height}x{width}"
        )


class ConvNorm(nn.Module):
    """Convolution, BatchNorm, activation.

    A 1x1 convolution is computed as a matrix product over the channels, which is 2.5 times faster on a CPU.

    Attributes:
      features: number of output channels.
      size: side of the square kernel, odd.
      stride: stride of the convolution.
      use_bias: whether the convolution has a bias. Some published networks have one although BatchNorm cancels it.
      activation: activation function; None for a linear output.
      same_padding: whether to pad as TensorFlow does (`padding`).
      epsilon: constant that BatchNorm adds to the variance.
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    features: int
    size: int = 1
    stride: int = 1
    use_bias: bool = False
    activation: Activation | None = nn.relu
    same_padding: bool = False
    epsilon: float = BATCH_NORM_EPSILON
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, height, width, any] -> [batch, height / stride, width / stride, features].

        The output size is rounded up.
        """
        x = self._convolution()(x)
        x = normalisation(train, self.frozen, "norm", self.dtype, self.epsilon)(x)
        return x if self.activation is None else self.activation(x)

    @nn.nowrap
    def _convolution(self) -> Callable[[jax.Array], jax.Array]:
        if self.size == 1:
            product = Conv1x1(self.features, self.use_bias, HE_FAN_OUT, self.dtype, name="conv")
            return lambda x: product(x[:, :: self.stride, :: self.stride])
        return nn.Conv(
            self.features,
            (self.size, self.size),
            strides=self.stride,
            padding=[padding(self.size, self.stride, self.same_padding)] * 2,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=HE_FAN_OUT,
            name="conv",
        )
