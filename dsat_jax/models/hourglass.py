"""Hourglass with four encoder levels, a channel transformer between the scales and four decoder levels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.cross_scale import ChannelTransformer
from dsat_jax.models.layers import ConvBlock
from dsat_jax.models.resampling import TransposedConv, avg_pool

DEPTH = 4  # number of levels


class Hourglass(nn.Module):
    """Hourglass of depth 4 with cross-scale attention between its encoder and its decoder.

    Levels are numbered from fine to coarse: `skip_1` and `up_1` belong to the finest level. All four decoder levels
    share one transposed convolution, `upsample`. The finest skip connection has no attention term. The design follows
    Newell et al., ECCV 2016, and the released DSAT.

    Attributes:
      transformer: constructor of the channel transformer, called with `dtype` and `name`. With None, the decoder uses
        the feature maps of the encoder unchanged.
      dtype: compute dtype.
    """

    transformer: Callable[..., ChannelTransformer] | None = ChannelTransformer
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns feature maps [batch, side, side, channels] like the input; `side` is a multiple of 16."""
        channels = x.shape[-1]

        def block(name: str) -> ConvBlock:
            return ConvBlock(channels, self.dtype, name=name)

        skips, maps = [], []
        for level in range(1, DEPTH + 1):
            skips.append(block(f"skip_{level}")(x, train))
            x = block(f"down_{level}")(avg_pool(x, 2), train)
            maps.append(x)
        attended = maps
        if self.transformer is not None:
            attended = self.transformer(dtype=self.dtype, name="channel_transformer")(maps, train)

        upsample = TransposedConv(channels, dtype=self.dtype, name="upsample")
        x = block("bottom")(x, train)
        for level in range(DEPTH, 0, -1):
            x = upsample(block(f"up_{level}")(x + attended[level - 1], train)) + skips[level - 1]
        return x
