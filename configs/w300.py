"""DSAT on 300W (68 points, NME by the distance of the outer eye corners)."""

from ml_collections import ConfigDict

from dsat_jax.config import default


def get_config(variant: str = "dsat") -> ConfigDict:
    """The configuration of a variant: `dsat` (ours), `dsat-released` (the original), `small` (for a CPU)."""
    if variant not in VARIANTS:
        raise ValueError(f"configs/w300.py has no variant {variant!r}; it has {', '.join(VARIANTS)}")
    config = default()
    config.name = f"w300-{variant}"
    config.data.dataset = "w300"
    config.data.scheme = "w300_68"
    config.data.test = ("test_common", "test_challenging", "test_full", "helen_test", "lfpw_test")
    VARIANTS[variant](config)
    return config


def _dsat(config: ConfigDict) -> None:
    pass


def _small(config: ConfigDict) -> None:
    config.model.width = 32
    config.model.stacks = 1
    config.model.transformer_layers = 1
    config.model.upsample = False
    config.loss.sigma = 1.5


VARIANTS = {"dsat": _dsat, "small": _small}
