"""Backbones: image classification networks without their classifier, and the trunk of DSAT without its head.

The feature map has 1/32 of the input's side, that of the hourglasses 1/8.
"""

import functools
from collections.abc import Callable

from flax import linen as nn

from dsat_jax.models.backbones.efficientnet_lite import EfficientNetLite0
from dsat_jax.models.backbones.hourglass import HourglassBackbone
from dsat_jax.models.backbones.hrnet import HRNet
from dsat_jax.models.backbones.mobilenet import MobileNetV2
from dsat_jax.models.backbones.resnet import ResNet50

# Constructors, called as BACKBONES[key](frozen=..., dtype=..., name=...). Their modules take images [batch, S, S, 3]
# and `train`, and return features [batch, side, side, channels].
BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "mobilenet_v2": MobileNetV2,
    "efficientnet_lite0": EfficientNetLite0,
    "resnet50": ResNet50,
    "hrnet_w18": functools.partial(HRNet, 18),
    "hrnet_w32": functools.partial(HRNet, 32),
    "hourglass_32": functools.partial(HourglassBackbone, 32),
    "hourglass_48": functools.partial(HourglassBackbone, 48),
}
