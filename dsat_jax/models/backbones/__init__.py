"""Image classification networks without their classifiers, which make one feature map at a 32nd of the size."""

import functools
from collections.abc import Callable

from flax import linen as nn

from dsat_jax.models.backbones.hrnet import HRNet
from dsat_jax.models.backbones.mobilenet import MobileNetV2
from dsat_jax.models.backbones.resnet import ResNet50

# Called as BACKBONES[name](frozen=..., dtype=..., name=...); the network maps images [batch, S, S, 3] and whether
# it trains to features [batch, S / 32, S / 32, channels].
BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "mobilenet_v2": MobileNetV2,
    "resnet50": ResNet50,
    "hrnet_w18": functools.partial(HRNet, 18),
    "hrnet_w32": functools.partial(HRNet, 32),
}
