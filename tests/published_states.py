"""State dicts of small integers with the entries of the published networks, built after their authors' modules."""

import functools

import numpy as np


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


def efficientnet_lite_state() -> State:
    state = State()
    state.conv("_conv_stem", 32, 3, 3)
    state.norm("_bn0", 32)
    outputs = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
    sizes = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    for i, (before, after, size) in enumerate(zip([32, *outputs], outputs, sizes, strict=False)):
        block, inner = f"_blocks.{i}", before
        if i > 0:
            inner = 6 * before
            state.conv(f"{block}._expand_conv", inner, before, 1)
            state.norm(f"{block}._bn0", inner)
        state.conv(f"{block}._depthwise_conv", inner, 1, size)
        state.norm(f"{block}._bn1", inner)
        state.conv(f"{block}._project_conv", after, inner, 1)
        state.norm(f"{block}._bn2", after)
    state.conv("_conv_head", 1280, 320, 1)
    state.norm("_bn1", 1280)
    state.add("_fc.weight", 1000, 1280)
    state.add("_fc.bias", 1000)
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
    "efficientnet_lite0": efficientnet_lite_state,
    "resnet50": resnet_state,
    "hrnet_w18": functools.partial(hrnet_state, 18),
    "hrnet_w32": functools.partial(hrnet_state, 32),
}
