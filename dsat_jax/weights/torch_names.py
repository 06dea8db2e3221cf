"""PyTorch's names of the parameters of the networks.

A table translates the path of a Flax array from left to right. The path is written with '/' between its pieces. Each
row has a pattern, which is a regular expression for one or more whole pieces, and PyTorch's text for them. The text is
a string, where '' adds nothing, or a function of the numbers in the pattern's groups. The texts are joined with '.'.
Where a Flax array stacks the parameters of several hourglasses, scales or heads, the text contains {stack}, {scale} or
{head}.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping

Pieces = Mapping[str, str | Callable[..., str]]


@dataclasses.dataclass(frozen=True)
class TorchNames:
    """Translation from the paths of a Flax network to the names of a PyTorch network.

    Attributes:
      pieces: pattern for pieces of a Flax path -> PyTorch's text for them.
      dropped: prefixes of PyTorch entries that the Flax network does not have.
    """

    pieces: Pieces
    dropped: tuple[str, ...] = ()

    def translate(self, path: tuple[str, ...]) -> str:
        """Returns PyTorch's name of a Flax array; the name may contain {stack}, {scale} and {head}.

        Args:
          path: path of the array in the variables, for example ('params', 'stem_conv', 'kernel').

        Returns:
          The name; pieces without a row in the table stay unchanged.
        """
        rest, texts = "/".join(path), []
        while rest:
            text, rest = self._first(rest)
            texts.append(text)
        return ".".join(filter(None, texts))

    def _first(self, path: str) -> tuple[str, str]:
        """Returns PyTorch's text for the first piece or pieces of a path, and the rest of the path."""
        for pattern, text in self.pieces.items():
            if match := re.match(f"(?:{pattern})(?:/|$)", path):
                if callable(text):
                    text = text(*map(int, match.groups()))
                return text, path[match.end() :]
        first, _, rest = path.partition("/")
        return first, rest


_ARRAYS: Pieces = {
    "params|batch_stats": "",
    "kernel|scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}

# The network that the authors of DSAT released.
DSAT = TorchNames(
    {
        "attention": "",
        "stem_conv": "conv1",
        "stem_block_1": "conv2",
        "stem_block_2": "conv3",
        "hourglasses": "conv4_{stack}",
        "head_block": "conv5",
        "head_upsample": "Upsample.upsample",
        "head_conv": "conv6",
        # Bottleneck.
        "norm_([123])": lambda n: f"bn{n}",
        "conv_([123])": lambda n: f"conv{n}",
        "shortcut_norm": "downsample.0",
        "shortcut_conv": "downsample.2",
        # Hourglass; PyTorch counts its levels from the innermost.
        "skip_([1-4])": lambda n: f"b1_{5 - n}",
        "down_([1-4])": lambda n: f"b2_{5 - n}",
        "bottom": "b2_plus_1",
        "up_([1-4])": lambda n: f"b3_{5 - n}",
        "upsample": "Upsample.upsample",
        # Channel transformer.
        "channel_transformer": "mtc",
        "patch_([1-4])": lambda n: f"embeddings_{n}.patch_embeddings",
        "position": "embeddings_{scale}.position_embeddings",
        "encoder": "encoder",
        "block_([0-9]+)": lambda n: f"layer.{n - 1}",
        "attention_norm": "attn_norm{scale}",
        "concatenated_norm": "attn_norm",
        "query": "channel_attn.query{scale}.{head}.weight",
        "key": "channel_attn.key.{head}.weight",
        "value": "channel_attn.value.{head}.weight",
        "out": "channel_attn.out{scale}",
        "mlp_norm": "ffn_norm{scale}",
        "mlp_in": "ffn{scale}.fc1",
        "mlp_out": "ffn{scale}.fc2",
        "final_norm": "encoder_norm{scale}",
        "reconstruct_conv": "reconstruct_{scale}.conv",
        "reconstruct_norm": "reconstruct_{scale}.norm",
        **_ARRAYS,
    }
)

# torchvision.models.mobilenet_v2. Its projection is not a separate module, and its block 1 has no expansion.
_MOBILENET = TorchNames(
    {
        "stem": "features.0",
        "block_1/depthwise": "features.1.conv.0",
        "block_1/project/conv": "features.1.conv.1",
        "block_1/project/norm": "features.1.conv.2",
        "block_([0-9]+)/expand": lambda n: f"features.{n}.conv.0",
        "block_([0-9]+)/depthwise": lambda n: f"features.{n}.conv.1",
        "block_([0-9]+)/project/conv": lambda n: f"features.{n}.conv.2",
        "block_([0-9]+)/project/norm": lambda n: f"features.{n}.conv.3",
        "last": "features.18",
        "conv": "0",
        "norm": "1",
        **_ARRAYS,
    },
    dropped=("classifier.",),
)

# The package efficientnet-lite-pytorch. Its block 1, number 0, has no expansion, but the names of the others.
_EFFICIENTNET_LITE = TorchNames(
    {
        "stem/conv": "_conv_stem",
        "stem/norm": "_bn0",
        "block_([0-9]+)": lambda n: f"_blocks.{n - 1}",
        "expand/conv": "_expand_conv",
        "expand/norm": "_bn0",
        "depthwise/conv": "_depthwise_conv",
        "depthwise/norm": "_bn1",
        "project/conv": "_project_conv",
        "project/norm": "_bn2",
        "last/conv": "_conv_head",
        "last/norm": "_bn1",
        **_ARRAYS,
    },
    dropped=("_fc.",),
)

# The blocks of ResNets and HRNets, in torchvision and in timm.
_BLOCKS: Pieces = {
    "layer([1-4])_([1-6])": lambda layer, block: f"layer{layer}.{block - 1}",
    "conv_([123])/conv": lambda n: f"conv{n}",
    "conv_([123])/norm": lambda n: f"bn{n}",
    "shortcut": "downsample",
    "conv": "0",
    "norm": "1",
    **_ARRAYS,
}

# torchvision.models.resnet50.
_RESNET = TorchNames({"stem/conv": "conv1", "stem/norm": "bn1", **_BLOCKS}, dropped=("fc.",))

# hrnet_w18 and hrnet_w32 of timm. timm numbers the strided convolutions of a chain, even if the chain has only one, as
# at the start of a branch. It does not number other single convolutions.
_HRNET = TorchNames(
    {
        "stem_([12])/conv": lambda n: f"conv{n}",
        "stem_([12])/norm": lambda n: f"bn{n}",
        "transition_1_branch_1": "transition1.0",
        "transition_([123])_branch_([234])": lambda n, branch: f"transition{n}.{branch - 1}.0",
        "stage_([234])_module_([1-4])": lambda stage, module: f"stage{stage}.{module - 1}",
        "branch_([1-4])_block_([1-4])": lambda branch, block: f"branches.{branch - 1}.{block - 1}",
        "fuse_([1-4])_to_([1-4])": lambda source, target: f"fuse_layers.{target - 1}.{source - 1}",
        "fuse_([1-4])_to_([1-4])_step_([123])": lambda source, target, step: (
            f"fuse_layers.{target - 1}.{source - 1}.{step - 1}"
        ),
        "head_widen_([1-4])": lambda n: f"incre_modules.{n - 1}.0",
        "head_down_([123])": lambda n: f"downsamp_modules.{n - 1}",
        "head_last": "final_layer",
        **_BLOCKS,
    },
    dropped=("classifier.",),
)

# The keys are those of `dsat_jax.models.backbones.BACKBONES`.
BACKBONES: Mapping[str, TorchNames] = {
    "mobilenet_v2": _MOBILENET,
    "efficientnet_lite0": _EFFICIENTNET_LITE,
    "resnet50": _RESNET,
    "hrnet_w18": _HRNET,
    "hrnet_w32": _HRNET,
}
