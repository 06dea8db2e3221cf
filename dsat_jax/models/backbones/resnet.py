"""ResNet-50 (He et al., CVPR 2016, arXiv 1512.03385) without its classifier."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.backbones.blocks import ConvNorm

Layers = tuple[tuple[int, int], ...]
# Table 1 of the paper: inner channels and number of blocks of each layer.
LAYERS: Layers = ((64, 3), (128, 4), (256, 6), (512, 3))
STEM_CHANNELS = 64
EXPANSION = 4  # ratio of output channels to inner channels of a bottleneck


class Bottleneck(nn.Module):
    """Bottleneck block: 1x1 reduction, 3x3 convolution and 1x1 expansion, plus a shortcut, with a ReLU after the sum.

    The shortcut is the input or, if the size or the number of channels changes, a 1x1 convolution.

    Attributes:
      inner: number of channels of the 3x3 convolution; the output has four times as many.
      stride: stride of the 3x3 convolution, as in the published weights ("version 1.5"). In the paper, the first 1x1
        convolution has the stride.
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    inner: int
    stride: int = 1
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, height, width, any] -> [batch, height / stride, width / stride, 4 inner].

        The output size is rounded up.
        """
        shortcut, features = x, EXPANSION * self.inner
        common = {"frozen": self.frozen, "dtype": self.dtype}
        if self.stride > 1 or x.shape[-1] != features:
            shortcut = ConvNorm(features, 1, self.stride, activation=None, **common, name="shortcut")(
                x, train
            )
        x = ConvNorm(self.inner, **common, name="conv_1")(x, train)
        x = ConvNorm(self.inner, 3, self.stride, **common, name="conv_2")(x, train)
        x = ConvNorm(features, activation=None, **common, name="conv_3")(x, train)
        return nn.relu(x + shortcut)


class ResNet50(nn.Module):
    """Feature extractor of ResNet-50, version 1.5: 23,508,032 parameters.

    Attributes:
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
      layers: layers, as in `LAYERS`.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32
    layers: Layers = LAYERS

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, S, S, 3] -> [batch, S / 32, S / 32, 2048]."""
        common = {"frozen": self.frozen, "dtype": self.dtype}
        x = ConvNorm(STEM_CHANNELS, 7, 2, **common, name="stem")(images, train)
        x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for layer, (inner, blocks) in enumerate(self.layers, start=1):
            for block in range(1, blocks + 1):
                stride = 2 if layer > 1 and block == 1 else 1
                x = Bottleneck(inner, stride, **common, name=f"layer{layer}_{block}")(x, train)
        return x
