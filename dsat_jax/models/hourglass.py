"""The hourglass: four levels down, a channel transformer between the scales, four levels up."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.cross_scale import ChannelTransformer
from dsat_jax.models.layers import ConvBlock, TransposedConv, avg_pool

DEPTH = 4  # levels


class Hourglass(nn.Module):
    """Hourglass of depth 4 with cross-scale attention between its encoder and its decoder.

    Levels are numbered from the outside: `skip_1` and `up_1` are at the finest level. All four levels of the decoder
    share one transposed convolution, `upsample`. The finest skip has no attention term. The design is that of Newell et
    al., ECCV 2016, and the released DSAT.

    Attributes:
      transformer: function of `dtype` and `name` that returns the ChannelTransformer; None for an hourglass without it,
        whose decoder uses the maps of the encoder.
      dtype: compute dtype.
    """

    transformer: Callable[..., ChannelTransformer] | None = ChannelTransformer
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, side, side, channels] -> the same shape; `side` is a multiple of 16."""
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
