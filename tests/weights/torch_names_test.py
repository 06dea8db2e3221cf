"""Translation of Flax paths to PyTorch's names, on names that the released checkpoints contain."""

import pytest

from dsat_jax.weights import torch_names
from dsat_jax.weights.torch_names import TorchNames


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        (torch_names.DSAT, "params/stem_conv/kernel", "conv1.weight"),
        (torch_names.DSAT, "batch_stats/stem_block_1/norm_2/var", "conv2.bn2.running_var"),
        (torch_names.DSAT, "params/hourglasses/up_1/conv_3/bias", "conv4_{stack}.b3_4.conv3.bias"),
        (
            torch_names.DSAT,
            "params/hourglasses/channel_transformer/encoder/block_3/attention/query",
            "conv4_{stack}.mtc.encoder.layer.2.channel_attn.query{scale}.{head}.weight",
        ),
        (
            torch_names.BACKBONES["mobilenet_v2"],
            "params/block_1/project/conv/kernel",
            "features.1.conv.1.weight",
        ),
        (
            torch_names.BACKBONES["mobilenet_v2"],
            "params/block_2/project/conv/kernel",
            "features.2.conv.2.weight",
        ),
        (
            torch_names.BACKBONES["efficientnet_lite0"],
            "batch_stats/block_2/expand/norm/mean",
            "_blocks.1._bn0.running_mean",
        ),
        (
            torch_names.BACKBONES["resnet50"],
            "params/layer3_6/shortcut/norm/scale",
            "layer3.5.downsample.1.weight",
        ),
        (
            torch_names.BACKBONES["hrnet_w18"],
            "params/stage_4_module_3/fuse_1_to_4_step_2/conv/kernel",
            "stage4.2.fuse_layers.3.0.1.0.weight",
        ),
    ],
)
def test_paths_become_the_names_of_the_checkpoints(names, path, expected):
    assert names.translate(tuple(path.split("/"))) == expected


def test_a_pattern_matches_whole_pieces_and_the_first_row_wins():
    names = TorchNames({"a/b": "pair", "a": "single", "c_([0-9]+)": lambda n: f"c{n + 1}", "hidden": ""})
    assert names.translate(("a", "b", "a")) == "pair.single"
    assert names.translate(("ab", "hidden", "c_4")) == "ab.c5"  # a piece without a row keeps its name
