"""The trunk of DSAT: stem, channel gate and stacked hourglasses. DSAT adds a heatmap head; LOTR can start from it."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.models.cross_scale import ChannelTransformer
from dsat_jax.models.gate import GATES
from dsat_jax.models.hourglass import Hourglass
from dsat_jax.models.layers import Conv3x3, ConvBlock, rematerialised
from dsat_jax.models.resampling import max_pool

INPUT_MULTIPLE = 32  # the stem halves the resolution once, an hourglass four times
WIDTH_MULTIPLE = 8  # the narrowest layer of the learned gate has an eighth of the width


class GatedHourglasses(nn.Module):
    """Base class of the modules that have the trunk of DSAT; its parameters are at the top level of the module.

    Attributes:
      width: number of channels of the hourglasses; the three layers of the stem have width / 4, width / 2 and width.
      stacks: number of hourglasses in sequence; only the output of the last one is supervised.
      transformer_layers: number of blocks of each channel transformer; 0 for hourglasses without a transformer.
      heads: number of attention heads of the channel transformers.
      gate: type of the channel gate, a key of `GATES`, or 'none'.
      embedding_dropout: dropout rate on the tokens of the channel transformers.
      attention_dropout: dropout rate on the attention maps and outputs of the channel transformers.
      rematerialise: whether to recompute the hourglasses' activations in the backward pass instead of storing them.
      dtype: compute dtype; parameters, statistics and softmax are float32.
    """

    width: int
    stacks: int
    transformer_layers: int
    heads: int
    gate: str
    embedding_dropout: float
    attention_dropout: float
    rematerialise: bool
    dtype: jnp.dtype

    @nn.nowrap
    def _trunk(self, images: jax.Array, train: bool) -> tuple[jax.Array, jax.Array | None]:
        """Returns feature maps and gates.

        Args:
          images: normalised images, float32 [batch, S, S, 3]; S is a multiple of 32.
          train: whether to use batch statistics, dropout (stream 'dropout') and gate noise (stream 'gate').

        Returns:
          Feature maps [batch, S / 2, S / 2, width] and gates [batch, width], or None without a gate.

        Raises:
          UserError: if the size of the images or an attribute is not valid.
        """
        self._check(images)
        x = self._stem(images.astype(self.dtype), train)
        gates = None
        if self.gate != "none":
            x, gates = GATES[self.gate](self.dtype, name="gate")(x, train)
        hourglass = rematerialised(Hourglass) if self.rematerialise else Hourglass
        if self.stacks:
            # The scan traces and compiles a single hourglass, whatever the number of stacks. Its parameters have a
            # leading stack axis.
            hourglasses = nn.scan(
                lambda module, x: (module(x, train), None),
                variable_axes={"params": 0, "batch_stats": 0},
                split_rngs={"params": True, "dropout": True},
                length=self.stacks,
                check_constancy_invariants=False,  # the check would trace the hourglass a second time
            )
            if not self.is_initializing():
                hourglasses = _with_kernels_in(self.dtype, hourglasses)
            x, _ = hourglasses(hourglass(self._transformer(), self.dtype, name="hourglasses"), x)
        return x, gates

    @nn.nowrap
    def _check(self, images: jax.Array) -> None:
        """Raises a UserError if the size of the images or an attribute is not valid."""
        _, height, width, _ = images.shape
        if height != width or height % INPUT_MULTIPLE:
            raise UserError(
                f"DSAT takes square images whose side is a multiple of {INPUT_MULTIPLE} pixels, "
                f"got {height}x{width}"
            )
        if self.width <= 0 or self.width % WIDTH_MULTIPLE:
            raise UserError(f"DSAT's width must be a positive multiple of {WIDTH_MULTIPLE}, got {self.width}")
        for name, smallest in (("stacks", 0), ("transformer_layers", 0), ("heads", 1)):
            if getattr(self, name) < smallest:
                raise UserError(f"DSAT needs {name} of at least {smallest}, got {getattr(self, name)}")
        choose({"none": None, **GATES}, self.gate, "gate")

    @nn.nowrap
    def _transformer(self) -> Callable[..., ChannelTransformer] | None:
        """Returns a constructor of the channel transformer, or None if it has no layers."""
        if self.transformer_layers == 0:
            return None
        return functools.partial(
            ChannelTransformer,
            layers=self.transformer_layers,
            heads=self.heads,
            embedding_dropout=self.embedding_dropout,
            attention_dropout=self.attention_dropout,
        )

    @nn.nowrap
    def _stem(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the feature maps of the stem: [batch, S, S, 3] -> [batch, S / 2, S / 2, width]."""
        x = Conv3x3(self.width // 4, use_bias=True, dtype=self.dtype, name="stem_conv")(x)
        x = ConvBlock(self.width // 2, self.dtype, name="stem_block_1")(x, train)
        x = max_pool(x, 2)
        return ConvBlock(self.width, self.dtype, name="stem_block_2")(x, train)


def _with_kernels_in(dtype: jnp.dtype, scan: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a scan over layers whose kernels are converted to a dtype before the loop instead of in it.

    A kernel that is converted in the loop is stored again for the backward pass, and its gradient is collected in
    float32. Scales and biases of normalisations stay in float32, in which they are used.
    """

    def converted(params: Any) -> Any:
        return jax.tree.map_with_path(
            lambda path, leaf: leaf if path[-1].key in ("scale", "bias") else leaf.astype(dtype), params
        )

    return nn.map_variables(scan, "params", trans_in_fn=converted)
