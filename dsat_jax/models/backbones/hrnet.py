"""HRNet (Wang et al., TPAMI 2020, arXiv 1908.07919), the classification network without its classifier.

Parallel branches with strides of 4, 8, 16 and 32 exchange features. Branches, stages, modules and blocks are numbered
from 1, as in the paper; branch 1 is the finest.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from dsat_jax.models.backbones.blocks import ConvNorm, check_sides
from dsat_jax.models.backbones.resnet import Bottleneck

STEM_CHANNELS = 64
BOTTLENECKS = 4  # number of blocks of the first stage
MODULES = (1, 4, 3)  # number of modules of stages 2, 3 and 4; stage i has i branches
BLOCKS = 4  # number of blocks of each branch of a module
# Inner channels of the bottleneck of each branch in the head; its output has four times as many channels.
HEAD_INNER_CHANNELS = (32, 64, 128, 256)
LAST_CHANNELS = 2048


class BasicBlock(nn.Module):
    """Residual block: two 3x3 convolutions plus the input, with a ReLU after the sum.

    Attributes:
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the features of the block: [batch, height, width, channels] -> the same shape."""
        features, common = x.shape[-1], {"frozen": self.frozen, "dtype": self.dtype}
        residual = ConvNorm(features, 3, **common, name="conv_1")(x, train)
        residual = ConvNorm(features, 3, activation=None, **common, name="conv_2")(residual, train)
        return nn.relu(x + residual)


class HighResolutionModule(nn.Module):
    """Residual blocks on each branch, then the exchange: each branch becomes the sum of all branches at its size.

    Attributes:
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, branches: Sequence[jax.Array], train: bool) -> list[jax.Array]:
        """Returns the branches after the exchange: branch i is [batch, S / 2^(i + 1), S / 2^(i + 1), channels of i]."""
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
        """Returns the features x of branch `source` with the size and channels of branch `target`."""
        features = branches[target - 1].shape[-1]
        common, name = {"frozen": self.frozen, "dtype": self.dtype}, f"fuse_{source}_to_{target}"
        if source > target:
            x = ConvNorm(features, activation=None, **common, name=name)(x, train)
            return _enlarge(x, 2 ** (source - target))
        steps = target - source
        for step in range(1, steps):
            x = ConvNorm(x.shape[-1], 3, 2, **common, name=f"{name}_step_{step}")(x, train)
        if steps > 0:
            last_step = ConvNorm(features, 3, 2, activation=None, **common, name=f"{name}_step_{steps}")
            x = last_step(x, train)
        return x


def _enlarge(x: jax.Array, factor: int) -> jax.Array:
    """Returns maps with each pixel repeated (nearest neighbour): [B, H, W, C] -> [B, factor H, factor W, C]."""
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


class HRNet(nn.Module):
    """Feature extractor of HRNet: 19,250,004 parameters at width 18, 39,183,680 at width 32.

    The branches are fused as in the published classification networks. From stride 4 to stride 32, each coarser branch
    is added to the downsampled sum of the finer ones. The network therefore uses all ImageNet weights except those of
    the classifier, and its output map is small enough for a Transformer. The details of the fine branches must pass
    through the 2048 channels of this map.

    Attributes:
      width: number of channels of the stride-4 branch; each coarser branch has twice as many as the previous one.
      frozen: whether the statistics, scale and bias of BatchNorm are constant.
      dtype: compute dtype.
    """

    width: int
    frozen: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns features: [batch, S, S, 3] -> [batch, S / 32, S / 32, 2048].

        Raises:
          UserError: if a side of the images is not a multiple of 32.
        """
        check_sides(images, "HRNet")
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
        """Returns the branches and a new one of half the coarsest size; the first transition also narrows branch 1."""
        common, name = {"frozen": self.frozen, "dtype": self.dtype}, f"transition_{number}_branch"
        downsample = ConvNorm(self.width * 2**number, 3, 2, **common, name=f"{name}_{number + 1}")
        coarsest = downsample(branches[-1], train)
        if number == 1:
            branches = [ConvNorm(self.width, 3, **common, name=f"{name}_1")(branches[0], train)]
        return [*branches, coarsest]

    @nn.nowrap
    def _head(self, branches: list[jax.Array], train: bool) -> jax.Array:
        """Returns the fused branches, [batch, S / 32, S / 32, 2048].

        The branches are widened to 128, 256, 512 and 1024 channels and summed from fine to coarse. The sum is
        widened to 2048 channels.
        """
        common, x = {"frozen": self.frozen, "dtype": self.dtype}, None
        for i, (branch, inner) in enumerate(zip(branches, HEAD_INNER_CHANNELS, strict=True), start=1):
            wide = Bottleneck(inner, **common, name=f"head_widen_{i}")(branch, train)
            if x is None:
                x = wide
            else:
                down = ConvNorm(wide.shape[-1], 3, 2, use_bias=True, **common, name=f"head_down_{i - 1}")
                x = wide + down(x, train)
        return ConvNorm(LAST_CHANNELS, use_bias=True, **common, name="head_last")(x, train)
