"""HRNet (Wang et al., TPAMI 2020, arXiv 1908.07919), the classification network without its classifier.

Parallel branches of stride 4, 8, 16 and 32 exchange their features. Branches, stages, modules and blocks are numbered
from 1, as in the paper; branch 1 is the finest.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.errors import UserError
from dsat_jax.models.backbones.blocks import STRIDE, ConvNorm
from dsat_jax.models.backbones.resnet import Bottleneck

STEM_CHANNELS = 64
BOTTLENECKS = 4  # blocks of the first stage
MODULES = (1, 4, 3)  # modules of the stages 2, 3 and 4; stage i has i branches
BLOCKS = 4  # blocks of each branch of a module
HEAD_INNER_CHANNELS = (
    32,
    64,
    128,
    256,
)  # inner channels of the bottleneck of each branch; its output has four times as many
LAST_CHANNELS = 2048


class BasicBlock(nn.Module):
    """Two 3x3 convolutions plus the input; ReLU after the sum.

    Attributes:
      frozen: whether statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, height, width, channels] -> the same shape."""
        features, common = x.shape[-1], {"frozen": self.frozen, "dtype": self.dtype}
        residual = ConvNorm(features, 3, **common, name="conv_1")(x, train)
        residual = ConvNorm(features, 3, activation=None, **common, name="conv_2")(residual, train)
        return nn.relu(x + residual)


class HighResolutionModule(nn.Module):
    """Blocks on every branch, then for every branch the sum of all branches resized to its size.

    Attributes:
      frozen: whether statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, branches: Sequence[jax.Array], train: bool) -> list[jax.Array]:
        """Branch i [batch, S / 2^(i + 1), S / 2^(i + 1), channels of i] -> a list of the same shapes."""
        branches = [self._blocks(x, i, train) for i, x in enumerate(branches, start=1)]
        return [
            nn.relu(sum(self._resize(x, i, target, branches, train) for i, x in enumerate(branches, start=1)))
            for target in range(1, len(branches) + 1)
        ]

    @nn.nowrap
    def _blocks(self, x: jax.Array, branch: int, train: bool) -> jax.Array:
        for block in range(1, BLOCKS + 1):
            x = BasicBlock(self.frozen, self.dtype, name=f"branch_{branch}_block_{block}")(x, train)
        return x

    @nn.nowrap
    def _resize(
        self, x: jax.Array, source: int, target: int, branches: Sequence[jax.Array], train: bool
    ) -> jax.Array:
        """Returns the features of the branch `source` with the size and channels of the branch `target`."""
        features = branches[target - 1].shape[-1]
        common, name = {"frozen": self.frozen, "dtype": self.dtype}, f"fuse_{source}_to_{target}"
        if source > target:
            x = ConvNorm(features, activation=None, **common, name=name)(x, train)
            return _enlarge(x, 2 ** (source - target))
        steps = target - source
        for step in range(1, steps):
            x = ConvNorm(x.shape[-1], 3, 2, **common, name=f"{name}_step_{step}")(x, train)
        if steps > 0:
            last = ConvNorm(features, 3, 2, activation=None, **common, name=f"{name}_step_{steps}")
            x = last(x, train)
        return x


def _enlarge(x: jax.Array, factor: int) -> jax.Array:
    """Returns maps with every pixel repeated (nearest neighbour): [B, H, W, C] -> [B, factor H, factor W, C]."""
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


class HRNet(nn.Module):
    """The features of HRNet: 19,250,004 parameters at width 18, 39,183,680 at width 32.

    The branches are fused as in the published classification networks: from stride 4 down to stride 32, each coarser
    branch is added to the downsampled sum of the finer ones. All ImageNet weights except those of the classifier are
    therefore used, and the map is small enough for a Transformer. The details of the fine branches must pass through
    its 2048 channels.

    Attributes:
      width: channels of the stride-4 branch; each coarser branch has twice as many as the one before.
      frozen: whether statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    width: int
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[batch, S, S, 3] -> [batch, S / 32, S / 32, 2048].

        Raises:
          ValueError: if a side of the images is not a multiple of 32.
        """
        if any(side % STRIDE for side in images.shape[1:3]):
            raise UserError(f"HRNet needs sides that are multiples of {STRIDE}, not {images.shape[1:3]}")
        common = {"frozen": self.frozen, "dtype": self.dtype}
        x = ConvNorm(STEM_CHANNELS, 3, 2, **common, name="stem_1")(images, train)
        x = ConvNorm(STEM_CHANNELS, 3, 2, **common, name="stem_2")(x, train)
        for block in range(1, BOTTLENECKS + 1):
            x = Bottleneck(64, **common, name=f"layer1_{block}")(x, train)
        branches = [x]
        for stage, modules in enumerate(MODULES, start=2):
            branches = self._transition(branches, stage - 1, train)
            for module in range(1, modules + 1):
                name = f"stage_{stage}_module_{module}"
                branches = HighResolutionModule(**common, name=name)(branches, train)
        return self._head(branches, train)

    @nn.nowrap
    def _transition(self, branches: list[jax.Array], number: int, train: bool) -> list[jax.Array]:
        """Adds a branch of half the size of the coarsest; the first transition also reduces the channels of its branch."""
        common, name = {"frozen": self.frozen, "dtype": self.dtype}, f"transition_{number}_branch"
        added = ConvNorm(self.width * 2**number, 3, 2, **common, name=f"{name}_{number + 1}")
        coarsest = added(branches[-1], train)
        if number == 1:
            branches = [ConvNorm(self.width, 3, **common, name=f"{name}_1")(branches[0], train)]
        return [*branches, coarsest]

    @nn.nowrap
    def _head(self, branches: list[jax.Array], train: bool) -> jax.Array:
        """Expands the branches to 128, 256, 512 and 1024 channels, sums them from fine to coarse, and expands to 2048."""
        common, x = {"frozen": self.frozen, "dtype": self.dtype}, None
        for i, (branch, inner) in enumerate(zip(branches, HEAD_INNER_CHANNELS, strict=True), start=1):
            wide = Bottleneck(inner, **common, name=f"head_widen_{i}")(branch, train)
            if x is None:
                x = wide
            else:
                down = ConvNorm(wide.shape[-1], 3, 2, use_bias=True, **common, name=f"head_down_{i - 1}")
                x = wide + down(x, train)
        return ConvNorm(LAST_CHANNELS, use_bias=True, **common, name="head_last")(x, train)
