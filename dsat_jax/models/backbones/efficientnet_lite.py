"""EfficientNet-Lite0 without its classifier, after Google's `tensorflow/tpu/models/official/efficientnet/lite`.

It is EfficientNet-B0 (Tan and Le, ICML 2019, arXiv 1905.11946) without squeeze-and-excitation, and with ReLU6.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.backbones.blocks import ConvNorm, check_sides
from dsat_jax.models.backbones.mobilenet import InvertedResidual

# Expansion, channels, number of blocks, stride of the first block, side of the depthwise kernels.
GROUPS = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
EPSILON = 1e-3  # of BatchNorm


class EfficientNetLite0(nn.Module):
    """Feature extractor of EfficientNet-Lite0: 3,371,008 parameters.

    The published weights expect pixels from 0 to 255 as (pixel - 127) / 128, not ImageNet's mean and deviation. The
    momentum of BatchNorm is that of the other backbones, 0.9 (0.99 in the original training). The random omission of
    blocks (drop connect) in the original training is left out.

    Attributes:
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, S, S, 3] -> [batch, S / 32, S / 32, 1280].

        Raises:
          UserError: if a side of the images is not a multiple of 32.
        """
        check_sides(images, "EfficientNet-Lite")
        common = {"same_padding": True, "epsilon": EPSILON, "frozen": self.frozen, "dtype": self.dtype}
        x = ConvNorm(STEM_CHANNELS, 3, 2, activation=nn.relu6, **common, name="stem")(images, train)
        number = 0
        for expansion, features, repeats, stride, size in GROUPS:
            for i in range(repeats):
                number += 1
                block = InvertedResidual(
                    features, expansion, stride if i == 0 else 1, size, **common, name=f"block_{number}"
                )
                x = block(x, train)
        return ConvNorm(LAST_CHANNELS, activation=nn.relu6, **common, name="last")(x, train)
