"""MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381) without its classifier."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.backbones.blocks import ConvNorm, normalisation, padding
from dsat_jax.models.backbones.depthwise import DepthwiseConv
from dsat_jax.models.layers import BATCH_NORM_EPSILON

Groups = tuple[tuple[int, int, int, int], ...]
# Table 2 of the paper: expansion, channels, number of blocks, stride of the first block.
GROUPS: Groups = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280


class DepthwiseNorm(nn.Module):
    """Depthwise convolution, BatchNorm, ReLU6.

    Attributes:
      size: side of the square kernels, odd.
      stride: stride of the convolution.
      same_padding: whether to pad as TensorFlow does (`blocks.padding`).
      epsilon: constant that BatchNorm adds to the variance.
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    size: int
    stride: int
    same_padding: bool = False
    epsilon: float = BATCH_NORM_EPSILON
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, height, width, channels] -> [batch, height / stride, width / stride, channels].

        The output size is rounded up.
        """
        pads = padding(self.size, self.stride, self.same_padding)
        x = DepthwiseConv(self.size, self.stride, pads, self.dtype, name="conv")(x)
        return nn.relu6(normalisation(train, self.frozen, "norm", self.dtype, self.epsilon)(x))


class InvertedResidual(nn.Module):
    """Inverted residual block: 1x1 expansion, depthwise and linear 1x1 projection, plus the input if shapes match.

    Attributes:
      features: number of output channels.
      expansion: ratio of inner channels to input channels; 1 for a block without the expanding convolution.
      stride: stride of the depthwise convolution.
      size: side of the depthwise kernels, odd.
      same_padding: whether to pad as TensorFlow does (`blocks.padding`).
      epsilon: constant that BatchNorm adds to the variance.
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    features: int
    expansion: int
    stride: int
    size: int = 3
    same_padding: bool = False
    epsilon: float = BATCH_NORM_EPSILON
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, height, width, any] -> [batch, height / stride, width / stride, features].

        The output size is rounded up.
        """
        shortcut, common = x, {"epsilon": self.epsilon, "frozen": self.frozen, "dtype": self.dtype}
        inner = self.expansion * x.shape[-1]
        if self.expansion > 1:
            x = ConvNorm(inner, activation=nn.relu6, **common, name="expand")(x, train)
        depthwise = DepthwiseNorm(self.size, self.stride, self.same_padding, **common, name="depthwise")
        x = depthwise(x, train)
        x = ConvNorm(self.features, activation=None, **common, name="project")(x, train)
        return x + shortcut if x.shape == shortcut.shape else x


class MobileNetV2(nn.Module):
    """Feature extractor of MobileNetV2 at width 1: 2,223,872 parameters.

    Attributes:
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
      groups: groups of blocks, as in `GROUPS`.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32
    groups: Groups = GROUPS

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, S, S, 3] -> [batch, S / 32, S / 32, 1280]."""
        common = {"frozen": self.frozen, "dtype": self.dtype}
        x = ConvNorm(STEM_CHANNELS, 3, 2, activation=nn.relu6, **common, name="stem")(images, train)
        number = 0
        for expansion, features, repeats, stride in self.groups:
            for i in range(repeats):
                number += 1
                block = InvertedResidual(
                    features, expansion, stride if i == 0 else 1, **common, name=f"block_{number}"
                )
                x = block(x, train)
        return ConvNorm(LAST_CHANNELS, activation=nn.relu6, **common, name="last")(x, train)
