"""What the files in `configs/` have in common: networks of several sizes, and how each is trained."""

from ml_collections import ConfigDict

from dsat_jax.config.defaults import default_lotr

# The paper's models: backbone, up-samplings, side of the input.
LOTR_VARIANTS = {
    "lotr-m": ("mobilenet_v2", 0, 192),
    "lotr-m+": ("mobilenet_v2", 2, 192),
    "lotr-r+": ("resnet50", 2, 192),
    "lotr-hr+": ("hrnet_w32", 2, 256),
}


def use_full_dsat(config: ConfigDict, steps: int) -> None:
    """Ours: a learned gate that closes channels, sub-pixel targets, smooth-Wing beside the heatmap loss.

    A batch fits 24 GB in float32; of 16 faces one step's activations alone would take 27 GB.

    Args:
      config: what to change.
      steps: of the training.
    """
    config.train.update(batch_size=8, steps=steps)


def use_small_dsat(config: ConfigDict, steps: int, evaluate_every: int) -> None:
    """Changes a configuration to a DSAT for two CPU cores: 96 pixels, 32 channels, one hourglass, smaller heatmaps.

    Args:
      config: what to change.
      steps: of the training.
      evaluate_every: steps.
    """
    config.input.size = 96
    config.model.update(width=32, stacks=1, transformer_layers=1, upsample=False)
    config.model.update(embedding_dropout=0.0, attention_dropout=0.0)
    config.loss.sigma = 1.5
    config.augment.update(rotation=20.0, scale=(0.92, 1.1), shift=0.06, low_resolution=0.1, occlusion=0.2)
    config.optimizer.update(learning_rate=6e-3, warmup_steps=100, ema=0.998)
    config.train.update(batch_size=16, steps=steps, evaluate_every=evaluate_every)


def use_lotr(config: ConfigDict, variant: str) -> None:
    """Changes a configuration to a LOTR as the paper trains it: smooth-Wing on coordinates, LAMB, two drops.

    Args:
      config: what to change.
      variant: a key of `LOTR_VARIANTS`.
    """
    backbone, upsamplings, size = LOTR_VARIANTS[variant]
    config.model = default_lotr()
    config.model.update(backbone=backbone, upsamplings=upsamplings)
    # ImageNet's, which pretrained backbones expect.
    config.input.update(size=size, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    config.loss.update(heatmap=0.0, coordinates=1.0, penalty="smooth_wing")
    config.optimizer.update(name="lamb", learning_rate=1e-3, schedule="step", warmup_steps=0, ema=0.0)
    config.optimizer.update(step_at=(0.5, 0.75), step_factor=0.1)


def use_long_lotr(config: ConfigDict, variant: str) -> None:
    """Changes a configuration to a LOTR of the paper's size, trained with AdamW for 30,000 steps.

    Meant for a pretrained backbone (`--config.model.backbone_weights=FILE`). For the arguments see `use_lotr`.
    """
    use_lotr(config, variant)
    config.optimizer.update(name="adamw", learning_rate=3e-4, schedule="cosine", warmup_steps=500, ema=0.999)
    config.train.update(batch_size=32, steps=30_000)


def use_small_lotr(config: ConfigDict, steps: int, evaluate_every: int) -> None:
    """Changes a configuration to a LOTR-M for two CPU cores: 96 pixels, a narrow Transformer, and AdamW.

    LAMB's steps are proportional to the array that they change, and the queries start at 1e-4: on 600 steps of LAMB
    at a rate of 0.01 the landmarks stayed in one place. The backbone starts from scratch, at thirty times the rate of
    the rest; with pretrained weights set `--config.optimizer.backbone_factor=1` or less. For the arguments see
    `use_small_dsat`.
    """
    use_lotr(config, "lotr-m")
    config.input.size = 96
    config.augment.update(rotation=15.0, scale=(0.95, 1.05), shift=0.04, low_resolution=0.1, occlusion=0.1)
    config.model.update(dim=96, heads=4, feed_forward=384, head_width=192, dropout=0.0)
    config.optimizer.update(name="adamw", learning_rate=3e-4, backbone_factor=30.0)
    config.optimizer.update(schedule="cosine", warmup_steps=100, ema=0.997)
    config.train.update(batch_size=16, steps=steps, evaluate_every=evaluate_every)
