"""Import of backbones from state dicts that are built here after torchvision's and timm's modules."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util

from dsat_jax.models.backbones import BACKBONES
from dsat_jax.weights.torch_import import load_backbone


class State(dict):
    """Entries by PyTorch's names, with small integers, which no float format rounds."""

    def __init__(self):
        super().__init__()
        self._generator = np.random.default_rng(0)

    def add(self, name: str, *shape: int) -> None:
        self[name] = self._generator.integers(1, 100, shape, np.uint8)

    def conv(self, name: str, outputs: int, inputs: int, size: int, bias: bool = False) -> None:
        self.add(f"{name}.weight", outputs, inputs, size, size)
        if bias:
            self.add(f"{name}.bias", outputs)

    def norm(self, name: str, channels: int) -> None:
        for entry in ("weight", "bias", "running_mean", "running_var"):
            self.add(f"{name}.{entry}", channels)
        self[f"{name}.num_batches_tracked"] = np.array(7)

    def sequence(self, name: str, outputs: int, inputs: int, size: int, bias: bool = False) -> None:
        """Sequential(Conv2d, BatchNorm2d, ...)."""
        self.conv(f"{name}.0", outputs, inputs, size, bias)
        self.norm(f"{name}.1", outputs)

    def residual(self, name: str, inputs: int, *layers: tuple[int, int]) -> None:
        """A residual block of convolutions, each (channels, size); downsampled where the channels change."""
        channels = inputs
        for i, (outputs, size) in enumerate(layers, start=1):
            self.conv(f"{name}.conv{i}", outputs, channels, size)
            self.norm(f"{name}.bn{i}", outputs)
            channels = outputs
        if channels != inputs:
            self.sequence(f"{name}.downsample", channels, inputs, 1)

    def bottlenecks(self, name: str, inputs: int, inner: int, blocks: int) -> None:
        for block in range(blocks):
            first = inputs if block == 0 else 4 * inner
            self.residual(f"{name}.{block}", first, (inner, 1), (inner, 3), (4 * inner, 1))


def mobilenet_state() -> State:
    state = State()
    state.sequence("features.0", 32, 3, 3)
    outputs = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    for i, (before, after) in enumerate(zip([32, *outputs], outputs, strict=False), start=1):
        block, inner, layer = f"features.{i}.conv", before, 0
        if i > 1:
            inner, layer = 6 * before, 1
            state.sequence(f"{block}.0", inner, before, 1)
        state.sequence(f"{block}.{layer}", inner, 1, 3)
        state.conv(f"{block}.{layer + 1}", after, inner, 1)
        state.norm(f"{block}.{layer + 2}", after)
    state.sequence("features.18", 1280, 320, 1)
    state.add("classifier.1.weight", 1000, 1280)
    state.add("classifier.1.bias", 1000)
    return state


def resnet_state() -> State:
    state = State()
    state.conv("conv1", 64, 3, 7)
    state.norm("bn1", 64)
    for layer, (inputs, inner, blocks) in enumerate(
        [(64, 64, 3), (256, 128, 4), (512, 256, 6), (1024, 512, 3)]
    ):
        state.bottlenecks(f"layer{layer + 1}", inputs, inner, blocks)
    state.add("fc.weight", 1000, 2048)
    state.add("fc.bias", 1000)
    return state


def hrnet_state(width: int) -> State:
    state = State()
    channels = [width, 2 * width, 4 * width, 8 * width]
    state.conv("conv1", 64, 3, 3)
    state.norm("bn1", 64)
    state.conv("conv2", 64, 64, 3)
    state.norm("bn2", 64)
    state.bottlenecks("layer1", 64, 64, 4)
    state.sequence("transition1.0", channels[0], 256, 3)
    state.sequence("transition1.1.0", channels[1], 256, 3)
    state.sequence("transition2.2.0", channels[2], channels[1], 3)
    state.sequence("transition3.3.0", channels[3], channels[2], 3)
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        for module in range(modules):
            add_hrnet_module(state, f"stage{stage}.{module}", channels[:stage])
    for i, (inputs, inner) in enumerate(zip(channels, (32, 64, 128, 256), strict=True)):
        state.bottlenecks(f"incre_modules.{i}", inputs, inner, 1)
    for i, inputs in enumerate((128, 256, 512)):
        state.sequence(f"downsamp_modules.{i}", 2 * inputs, inputs, 3, bias=True)
    state.sequence("final_layer", 2048, 1024, 1, bias=True)
    state.add("classifier.weight", 1000, 2048)
    state.add("classifier.bias", 1000)
    return state


def add_hrnet_module(state: State, name: str, channels: list[int]) -> None:
    for i, own in enumerate(channels):
        for block in range(4):
            state.residual(f"{name}.branches.{i}.{block}", own, (own, 3), (own, 3))
        for j, other in enumerate(channels):
            fuse = f"{name}.fuse_layers.{i}.{j}"
            if j > i:
                state.sequence(fuse, own, other, 1)
            for step in range(i - j):
                state.sequence(f"{fuse}.{step}", own if step == i - j - 1 else other, other, 3)


STATES = {
    "mobilenet_v2": mobilenet_state,
    "resnet50": resnet_state,
    "hrnet_w18": functools.partial(hrnet_state, 18),
    "hrnet_w32": functools.partial(hrnet_state, 32),
}


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
    "resnet50": RESNET_SPOTS,
    "hrnet_w18": HRNET_SPOTS,
    "hrnet_w32": HRNET_SPOTS,
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_reads_its_published_weights(name, tmp_path):
    state = STATES[name]()
    variables = traverse_util.flatten_dict(
        load_backbone(save(tmp_path, state), name, template(name)), sep="/"
    )
    assert {array.dtype for array in variables.values()} == {np.dtype(np.float32)}
    for path, (entry, layout) in SPOTS[name].items():
        np.testing.assert_array_equal(variables[path], layout(state[entry]), err_msg=path)
    # Every entry that is not dropped is used once.
    used = [a for n, a in state.items() if not n.startswith(("classifier.", "fc.")) and n[-8:] != "_tracked"]
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
        ValueError, match=r"no backbone 'vgg16': expected one of \['hrnet_w18', 'hrnet_w32', "
    ):
        load_backbone(save(tmp_path, mobilenet), "vgg16", template("resnet50"))
