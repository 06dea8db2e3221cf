"""The trunk of a small DSAT as a backbone: landmark features, learned with heatmaps, instead of ImageNet's."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.errors import UserError
from dsat_jax.models.gated_hourglasses import GatedHourglasses
from dsat_jax.models.layers import batch_norm

PATCH = 4  # side of a patch in pixels of the trunk's feature maps; the trunk halves the input's side once


class HourglassBackbone(nn.Module):
    """Stem, learned gate and one hourglass with a channel transformer, as in the shipped DSAT networks.

    The feature maps have half the side of the input. Each feature vector that is returned holds a patch of 4 x 4 of
    their pixels, so that a Transformer has few tokens and still sees where a landmark is within a patch.

    Attributes:
      width: number of channels of the trunk.
      frozen: not supported.
      dtype: compute dtype.
    """

    width: int
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, S, S, 3] -> [batch, S / 8, S / 8, 16 width].

        Raises:
          UserError: if the statistics shall be frozen, or S is not a multiple of 32.
        """
        if self.frozen:
            raise UserError(
                "config.model.freeze_norm is true, expected false for an hourglass, which has no ImageNet statistics"
            )
        x = _Trunk(self.width, 1, 1, 4, "learned", 0.0, 0.0, False, self.dtype, name="trunk")(images, train)
        # The output of the trunk is not normalised, and large: attention would see one token only.
        return patches(batch_norm(train, "norm", self.dtype)(x), PATCH)


class _Trunk(GatedHourglasses):
    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        return self._trunk(images, train)[0]


def patches(x: jax.Array, side: int) -> jax.Array:
    """Returns the pixels of each square patch as one vector, row by row.

    Args:
      x: feature maps [batch, height, width, channels]; height and width are multiples of `side`.
      side: side of a patch in pixels.

    Returns:
      Vectors [batch, height / side, width / side, side * side * channels].
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // side, side, width // side, side, channels)
    x = x.swapaxes(2, 3)  # [batch, rows of patches, columns of patches, side, side, channels]
    return x.reshape(batch, height // side, width // side, side * side * channels)
