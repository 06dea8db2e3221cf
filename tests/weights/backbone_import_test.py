"""Import of backbones from state dicts with the entries of the published networks."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util
from published_states import STATES, State, mobilenet_state

from dsat_jax.models.backbones import BACKBONES
from dsat_jax.weights.torch_import import load_backbone


@functools.cache
def template(name: str) -> dict:
    module = BACKBONES[name](frozen=False, dtype=jnp.float32, name="backbone")
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(functools.partial(module.init, train=False), jax.random.key(0), images)


def save(directory: pathlib.Path, state: dict[str, np.ndarray]) -> pathlib.Path:
    np.savez(directory / "weights.npz", **state)
    return directory / "weights.npz"


def matrix(array: np.ndarray) -> np.ndarray:
    """A 1x1 convolution [outputs, inputs, 1, 1] as a matrix [inputs, outputs]."""
    return array[:, :, 0, 0].T


def image_kernel(array: np.ndarray) -> np.ndarray:
    """[outputs, inputs, H, W] -> [H, W, inputs, outputs]."""
    return np.moveaxis(array, (2, 3, 1, 0), (0, 1, 2, 3))


def depthwise_kernel(array: np.ndarray) -> np.ndarray:
    """[channels, 1, H, W] -> [H, W, channels]."""
    return np.moveaxis(array[:, 0], 0, 2)


def same(array: np.ndarray) -> np.ndarray:
    return array


# Flax path -> PyTorch's name, and the conversion of the entry.
MOBILENET_SPOTS = {
    "params/stem/conv/kernel": ("features.0.0.weight", image_kernel),
    "params/block_1/depthwise/conv/kernel": ("features.1.conv.0.0.weight", depthwise_kernel),
    "params/block_1/project/conv/kernel": ("features.1.conv.1.weight", matrix),
    "params/block_1/project/norm/bias": ("features.1.conv.2.bias", same),
    "params/block_17/expand/conv/kernel": ("features.17.conv.0.0.weight", matrix),
    "params/block_12/depthwise/conv/kernel": ("features.12.conv.1.0.weight", depthwise_kernel),
    "batch_stats/block_12/depthwise/norm/mean": ("features.12.conv.1.1.running_mean", same),
    "params/block_9/project/conv/kernel": ("features.9.conv.2.weight", matrix),
    "batch_stats/block_9/project/norm/var": ("features.9.conv.3.running_var", same),
    "params/last/norm/scale": ("features.18.1.weight", same),
}
EFFICIENTNET_LITE_SPOTS = {
    "params/stem/conv/kernel": ("_conv_stem.weight", image_kernel),
    "batch_stats/stem/norm/mean": ("_bn0.running_mean", same),
    "params/block_1/depthwise/conv/kernel": ("_blocks.0._depthwise_conv.weight", depthwise_kernel),
    "params/block_1/depthwise/norm/scale": ("_blocks.0._bn1.weight", same),
    "params/block_1/project/norm/bias": ("_blocks.0._bn2.bias", same),
    "params/block_4/depthwise/conv/kernel": ("_blocks.3._depthwise_conv.weight", depthwise_kernel),
    "params/block_16/expand/conv/kernel": ("_blocks.15._expand_conv.weight", matrix),
    "batch_stats/block_16/expand/norm/var": ("_blocks.15._bn0.running_var", same),
    "params/block_9/project/conv/kernel": ("_blocks.8._project_conv.weight", matrix),
    "params/last/conv/kernel": ("_conv_head.weight", matrix),
    "params/last/norm/scale": ("_bn1.weight", same),
}
RESNET_SPOTS = {
    "params/stem/conv/kernel": ("conv1.weight", image_kernel),
    "batch_stats/stem/norm/var": ("bn1.running_var", same),
    "params/layer1_1/shortcut/conv/kernel": ("layer1.0.downsample.0.weight", matrix),
    "batch_stats/layer2_1/shortcut/norm/mean": ("layer2.0.downsample.1.running_mean", same),
    "params/layer3_6/conv_2/conv/kernel": ("layer3.5.conv2.weight", image_kernel),
    "params/layer4_3/conv_3/norm/bias": ("layer4.2.bn3.bias", same),
}
HRNET_SPOTS = {
    "params/stem_2/conv/kernel": ("conv2.weight", image_kernel),
    "params/stem_2/norm/scale": ("bn2.weight", same),
    "params/layer1_4/conv_1/conv/kernel": ("layer1.3.conv1.weight", matrix),
    "params/transition_1_branch_1/conv/kernel": ("transition1.0.0.weight", image_kernel),
    "batch_stats/transition_1_branch_2/norm/mean": ("transition1.1.0.1.running_mean", same),
    "params/transition_3_branch_4/conv/kernel": ("transition3.3.0.0.weight", image_kernel),
    "params/stage_3_module_2/branch_3_block_4/conv_2/conv/kernel": (
        "stage3.1.branches.2.3.conv2.weight",
        image_kernel,
    ),
    "params/stage_4_module_3/fuse_4_to_2/conv/kernel": ("stage4.2.fuse_layers.1.3.0.weight", matrix),
    "params/stage_4_module_3/fuse_1_to_4_step_2/conv/kernel": (
        "stage4.2.fuse_layers.3.0.1.0.weight",
        image_kernel,
    ),
    "batch_stats/stage_2_module_1/fuse_1_to_2_step_1/norm/var": (
        "stage2.0.fuse_layers.1.0.0.1.running_var",
        same,
    ),
    "params/head_widen_3/shortcut/conv/kernel": ("incre_modules.2.0.downsample.0.weight", matrix),
    "params/head_down_3/conv/bias": ("downsamp_modules.2.0.bias", same),
    "params/head_last/conv/kernel": ("final_layer.0.weight", matrix),
    "params/head_last/conv/bias": ("final_layer.0.bias", same),
}
SPOTS = {
    "mobilenet_v2": MOBILENET_SPOTS,
    "efficientnet_lite0": EFFICIENTNET_LITE_SPOTS,
    "resnet50": RESNET_SPOTS,
    "hrnet_w18": HRNET_SPOTS,
    "hrnet_w32": HRNET_SPOTS,
}


@pytest.mark.parametrize("name", STATES)
def test_every_backbone_reads_its_published_weights(name, tmp_path):
    state = STATES[name]()
    variables = traverse_util.flatten_dict(
        load_backbone(save(tmp_path, state), name, template(name)), sep="/"
    )
    assert {array.dtype for array in variables.values()} == {np.dtype(np.float32)}
    for path, (entry, layout) in SPOTS[name].items():
        np.testing.assert_array_equal(variables[path], layout(state[entry]), err_msg=path)
    # Every entry that is not dropped is used once.
    used = [
        a
        for n, a in state.items()
        if not n.startswith(("classifier.", "fc.", "_fc.")) and n[-8:] != "_tracked"
    ]
    assert len(variables) == len(used)
    total = sum(array.sum(dtype=np.float64) for array in variables.values())
    assert total == sum(array.sum(dtype=np.float64) for array in used)


@pytest.fixture(scope="module")
def mobilenet() -> State:
    return mobilenet_state()


@pytest.fixture(scope="module")
def imported(mobilenet, tmp_path_factory) -> dict:
    path = save(tmp_path_factory.mktemp("mobilenet"), mobilenet)
    return load_backbone(path, "mobilenet_v2", template("mobilenet_v2"))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_safetensors_hold_the_same_as_npz(mobilenet, imported, tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    state = {name: array.astype(dtype) for name, array in mobilenet.items()}
    safetensors.numpy.save_file(state, path)
    loaded = load_backbone(path, "mobilenet_v2", template("mobilenet_v2"))
    jax.tree.map(np.testing.assert_array_equal, loaded, imported)


def test_pth_holds_the_same_as_npz(mobilenet, imported, tmp_path):
    torch = pytest.importorskip(
        "torch", reason="PyTorch, which alone reads and writes .pth files, is not installed"
    )
    torch.save({name: torch.from_numpy(array) for name, array in mobilenet.items()}, tmp_path / "net.pth")
    loaded = load_backbone(tmp_path / "net.pth", "mobilenet_v2", template("mobilenet_v2"))
    jax.tree.map(np.testing.assert_array_equal, loaded, imported)


def test_one_error_names_all_entries_that_do_not_fit(mobilenet, tmp_path):
    state = dict(mobilenet)
    del state["features.3.conv.1.1.running_var"]
    state["features.4.conv.1.0.weight"] = np.zeros((144, 2, 3, 3), np.uint8)  # not depthwise
    state["features.5.conv.2.weight"] = np.zeros((32, 192, 3, 3), np.uint8)  # not 1x1
    state["features.19.0.weight"] = np.zeros(3, np.uint8)
    state["fc.weight"] = np.zeros(3, np.uint8)  # the classifier of another network
    path = save(tmp_path, state)
    with pytest.raises(ValueError, match="does not fit the network") as error:
        load_backbone(path, "mobilenet_v2", template("mobilenet_v2"))
    first, *problems = str(error.value).splitlines()
    assert str(path) in first
    assert sorted(line.strip() for line in problems) == [
        "missing: features.3.conv.1.1.running_var (for batch_stats/block_3/depthwise/norm/var)",
        "unused: fc.weight",
        "unused: features.19.0.weight",
        "wrong shape: features.4.conv.1.0.weight is (3, 3, 2, 144) in Flax's layout, expected (3, 3, 144)",
        "wrong shape: features.5.conv.2.weight is (3, 3, 192, 32) in Flax's layout, expected (192, 32)",
    ]


def test_damaged_safetensors_are_refused_by_name(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"conv1.weight": np.ones(8, np.float32)}, path)
    for damaged in (b"", b"not a header", path.read_bytes()[:-3], b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=r"model\.safetensors is damaged, or not in the safetensors format"
        ):
            load_backbone(path, "resnet50", template("resnet50"))


def test_unknown_files_and_backbones_are_refused(mobilenet, tmp_path):
    (tmp_path / "model.h5").touch()
    with pytest.raises(ValueError, match=r"model\.h5 .* expected \.npz, \.safetensors, \.pth or \.pth\.tar"):
        load_backbone(tmp_path / "model.h5", "resnet50", template("resnet50"))
    with pytest.raises(
        ValueError, match=r"no backbone 'vgg16': expected one of \['efficientnet_lite0', 'hrnet_w18', "
    ):
        load_backbone(save(tmp_path, mobilenet), "vgg16", template("resnet50"))
