"""Settings that the files in `configs/` share: networks of several sizes and their training."""

from ml_collections import ConfigDict

from dsat_jax.config.defaults import default_lotr

# Backbone, up-samplings, side of the input in pixels. LOTR-E, with EfficientNet-Lite0, is ours; the other models are
# those of the LOTR paper.
LOTR_VARIANTS = {
    "lotr-m": ("mobilenet_v2", 0, 192),
    "lotr-m+": ("mobilenet_v2", 2, 192),
    "lotr-r+": ("resnet50", 2, 192),
    "lotr-hr+": ("hrnet_w32", 2, 256),
    "lotr-e": ("efficientnet_lite0", 0, 192),
    "lotr-e+": ("efficientnet_lite0", 2, 192),
}

# Mean and standard deviation of images in [0, 1] that pretrained backbones expect: those of ImageNet, and for
# EfficientNet-Lite (pixel - 127) / 128.
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_EFFICIENTNET_LITE = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}


def use_full_dsat(config: ConfigDict, steps: int) -> None:
    """Sets the training of the full-size DSAT of `default`: learned gate, sub-pixel targets, smooth-Wing loss.

    A batch of 8 faces fits 24 GB in float32; the activations of 16 faces alone take 27 GB.

    Args:
      config: configuration to change in place.
      steps: number of training steps.
    """
    config.train.update(batch_size=8, steps=steps)


def use_small_dsat(config: ConfigDict, steps: int, evaluate_every: int) -> None:
    """Sets a small DSAT for two CPU cores: 96 pixels, 32 channels, one hourglass, heatmaps of half resolution.

    Args:
      config: configuration to change in place.
      steps: number of training steps.
      evaluate_every: number of steps between two evaluations.
    """
    config.input.size = 96
    config.model.update(width=32, stacks=1, transformer_layers=1, upsample=False)
    config.model.update(embedding_dropout=0.0, attention_dropout=0.0)
    config.loss.sigma = 1.5
    config.augment.update(rotation=20.0, scale=(0.92, 1.1), shift=0.06, low_resolution=0.1, occlusion=0.2)
    config.optimizer.update(learning_rate=6e-3, warmup_steps=100, ema=0.998)
    config.train.update(batch_size=16, steps=steps, evaluate_every=evaluate_every)


def use_lotr(config: ConfigDict, variant: str) -> None:
    """Sets a LOTR with the training of the paper: smooth-Wing loss, LAMB, learning rate divided by 10 twice.

    Args:
      config: configuration to change in place.
      variant: key of `LOTR_VARIANTS`.
    """
    backbone, upsamplings, size = LOTR_VARIANTS[variant]
    config.model = default_lotr()
    config.model.update(backbone=backbone, upsamplings=upsamplings)
    config.input.update(size=size, **(_EFFICIENTNET_LITE if backbone == "efficientnet_lite0" else _IMAGENET))
    config.loss.update(heatmap=0.0, coordinates=1.0, penalty="smooth_wing")
    config.optimizer.update(name="lamb", learning_rate=1e-3, schedule="step", warmup_steps=0, ema=0.0)
    config.optimizer.update(step_at=(0.5, 0.75), step_factor=0.1)


def use_long_lotr(config: ConfigDict, variant: str) -> None:
    """Sets a LOTR of the paper's size, trained with AdamW for 30,000 steps. Arguments: see `use_lotr`.

    It is meant for a pretrained backbone (`--config.model.backbone_weights=FILE`).
    """
    use_lotr(config, variant)
    config.optimizer.update(name="adamw", learning_rate=3e-4, schedule="cosine", warmup_steps=500, ema=0.999)
    config.train.update(batch_size=32, steps=30_000)


def use_small_lotr(config: ConfigDict, steps: int, evaluate_every: int) -> None:
    """Sets a small LOTR for two CPU cores: MobileNetV2, 96 pixels, a narrow Transformer, AdamW.

    LAMB is not used, because its steps are proportional to the norm of each array, and the queries start with a
    standard deviation of 1e-4. After 600 steps of LAMB at a rate of 0.01, all landmarks were still at one position.
    The backbone is trained from scratch at thirty times the learning rate of the other parameters. For pretrained
    weights, set `--config.optimizer.backbone_factor=1` or less. Arguments: see `use_small_dsat`.
    """
    use_lotr(config, "lotr-m")
    config.input.size = 96
    config.augment.update(rotation=15.0, scale=(0.95, 1.05), shift=0.04, low_resolution=0.1, occlusion=0.1)
    config.model.update(dim=96, heads=4, feed_forward=384, head_width=192, dropout=0.0)
    config.optimizer.update(name="adamw", learning_rate=3e-4, backbone_factor=30.0)
    config.optimizer.update(schedule="cosine", warmup_steps=100, ema=0.997)
    config.train.update(batch_size=16, steps=steps, evaluate_every=evaluate_every)
