"""DSAT and LOTR on synthetic_faces: 98 points, drawn by the project itself; inter-ocular NME.

python run.py --config=configs/synthetic.py             NME 3.06 % on test (500 faces), 3.4 min on 2 CPU cores
python run.py --config=configs/synthetic.py:lotr-m      NME 4.70 % on test, 16.7 min on 2 CPU cores

The dataset is drawn on the first run; the times are without that. Measured on an AMD EPYC with jax 0.10.2, seed 0.
`lotr-m+`, `lotr-r+` and `lotr-hr+` have the paper's sizes, want a GPU, and have not been trained by us.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_long_lotr, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """The configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = "synthetic" if variant == "dsat" else f"synthetic-{variant}"
    config.data.dataset = "synthetic_faces"
    config.data.scheme = "wflw_98"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test",)
    config.evaluate.threshold = 0.1
    choose(VARIANTS, variant, "variant of configs/synthetic.py")(config)
    return config


def _dsat(config: ConfigDict) -> None:
    """Two CPU cores: 64 pixels, heatmaps of 32 pixels."""
    use_small_dsat(config, steps=950, evaluate_every=475)
    config.input.size = 64
    # The faces are drawn in all poses and lights, with occluders and blur: little is left to augment.
    config.augment.update(rotation=15.0, scale=(0.95, 1.1), shift=0.05, low_resolution=0.0, occlusion=0.0)
    config.optimizer.update(learning_rate=8e-3, warmup_steps=50, ema=0.995)


def _lotr_m(config: ConfigDict) -> None:
    """Small: 64 pixels, a narrow Transformer, everything from scratch."""
    use_small_lotr(config, steps=4_800, evaluate_every=1_600)
    config.input.size = 64
    # Coordinates are learned from many more faces than heatmaps are: every one close to what the test shows.
    config.augment.update(rotation=5.0, scale=(0.97, 1.05), shift=0.02, gain=(0.9, 1.1), grey=0.0)
    config.augment.update(low_resolution=0.0, occlusion=0.0)


VARIANTS = {
    "dsat": _dsat,
    "lotr-m": _lotr_m,
    **{name: functools.partial(use_long_lotr, variant=name) for name in ("lotr-m+", "lotr-r+", "lotr-hr+")},
}
