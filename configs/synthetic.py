"""DSAT on synthetic_faces (98 points, drawn by the project itself; NME by the distance of the outer eye corners)."""

from ml_collections import ConfigDict

from dsat_jax.config import default


def get_config(variant: str = "dsat") -> ConfigDict:
    """The configuration of a variant: `dsat`, small enough for two CPU cores."""
    if variant not in VARIANTS:
        raise ValueError(f"configs/synthetic.py has no variant {variant!r}; it has {', '.join(VARIANTS)}")
    config = default()
    config.name = "synthetic" if variant == "dsat" else f"synthetic-{variant}"
    config.data.dataset = "synthetic_faces"
    config.data.scheme = "wflw_98"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test",)
    config.evaluate.threshold = 0.1
    VARIANTS[variant](config)
    return config


def _dsat(config: ConfigDict) -> None:
    config.input.size = 64
    config.model.width = 32
    config.model.stacks = 1
    config.model.transformer_layers = 1
    config.model.upsample = False
    config.loss.sigma = 1.5
    config.train.batch_size = 16


VARIANTS = {"dsat": _dsat}
