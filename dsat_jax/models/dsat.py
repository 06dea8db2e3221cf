"""DSAT, the dynamic semantic aggregation transformer: stem, channel gate, stacked hourglasses and heatmap head.

Wan, Liu, Wu, Lai, Min, Liu, "Precise Facial Landmark Detection by Dynamic Semantic Aggregation Transformer",
Pattern Recognition 156 (2024) 110827, arXiv 2412.00740. The formulas follow the released code.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.decode import soft_argmax, to_input_pixels
from dsat_jax.errors import UserError
from dsat_jax.models.gated_hourglasses import GatedHourglasses
from dsat_jax.models.layers import Conv3x3, ConvBlock
from dsat_jax.models.prediction import Prediction
from dsat_jax.models.resampling import TransposedConv


class DSAT(GatedHourglasses):
    """Heatmap network of gated hourglasses with channel attention between scales, for landmarks and boundaries.

    Attributes:
      num_points: number of landmark channels.
      num_boundaries: number of boundary channels, which follow those of the landmarks.
      head_channels: number of channels of the head, from which a convolution reads the heatmaps, even; 0 for width / 2,
        as in the released network.
      upsample: whether heatmaps have the resolution of the input, as in the released network. Half the resolution saves
        a transposed convolution and three quarters of the heatmap pixels.

    The other attributes are those of `GatedHourglasses`. Heatmaps are float32.
    """

    num_points: int
    num_boundaries: int
    head_channels: int
    upsample: bool

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> Prediction:
        """Returns the prediction for a batch of images.

        Args:
          images: normalised images, float32 [batch, S, S, 3]; S is a multiple of 32.
          train: whether to use batch statistics, dropout (stream 'dropout') and gate noise (stream 'gate').

        Returns:
          Prediction with heatmaps [batch, S, S, points + boundaries], or S / 2 without `upsample`, and gates
          [batch, width], or None without a gate.

        Raises:
          UserError: if the size of the images or an attribute is not valid.
        """
        if self.head_channels % 2:
            raise UserError(f"DSAT's head_channels must be even, got {self.head_channels}")
        x, gates = self._trunk(images, train)
        heatmaps = self._head(x, train).astype(jnp.float32)
        stride = images.shape[1] // heatmaps.shape[1]
        # On a CPU, decoding all channels takes a fifth of the time of a slice of them, forward and backward.
        points = to_input_pixels(soft_argmax(heatmaps)[:, : self.num_points], stride)
        return Prediction(points=points, heatmaps=heatmaps, gates=gates)

    @nn.nowrap
    def _head(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns heatmaps [batch, side, side, points + boundaries], where side is S with `upsample`, else S / 2."""
        channels = self.head_channels or self.width // 2
        x = ConvBlock(channels, self.dtype, name="head_block")(x, train)
        if self.upsample:
            x = TransposedConv(channels, dtype=self.dtype, name="head_upsample")(x)
        return Conv3x3(self.num_points + self.num_boundaries, dtype=self.dtype, name="head_conv")(x)
