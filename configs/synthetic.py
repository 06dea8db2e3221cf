"""DSAT and LOTR on synthetic_faces: 98 points of rendered faces; inter-ocular NME.

python run.py --config=configs/synthetic.py             NME 3.19 % on test (500 faces), 3.4 min on 2 CPU cores
python run.py --config=configs/synthetic.py:lotr-tiny   NME 4.70 % on test, 16.7 min on 2 CPU cores

The first command trains the variant `tiny`. The first run renders the dataset; the times exclude this. Measured on an
AMD EPYC with jax 0.10.2, seed 0. `dsat`, `lotr-m`, `lotr-m+`, `lotr-r+` and `lotr-hr+` have the sizes of the papers,
need a GPU, and were not trained in this project.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import (
    LOTR_VARIANTS,
    use_full_dsat,
    use_long_lotr,
    use_small_dsat,
    use_small_lotr,
)


def get_config(variant: str = "tiny") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = "synthetic" if variant == "tiny" else f"synthetic-{variant}"
    config.data.dataset = "synthetic_faces"
    config.data.scheme = "wflw_98"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test",)
    config.evaluate.threshold = 0.1
    choose(VARIANTS, variant, "variant of configs/synthetic.py")(config)
    return config


def _tiny(config: ConfigDict) -> None:
    """Sets a DSAT for two CPU cores: 64 pixels, heatmaps of 32 pixels."""
    use_small_dsat(config, steps=950, evaluate_every=475)
    config.input.size = 64
    # The rendered faces vary in pose and light, with occlusion and blur, so that little augmentation is needed.
    config.augment.update(rotation=15.0, scale=(0.95, 1.1), shift=0.05, low_resolution=0.0, occlusion=0.0)
    config.optimizer.update(learning_rate=8e-3, warmup_steps=50, ema=0.995)


def _lotr_tiny(config: ConfigDict) -> None:
    """Sets a LOTR for two CPU cores: 64 pixels, a narrow Transformer, trained from scratch."""
    use_small_lotr(config, steps=4_800, evaluate_every=1_600)
    config.input.size = 64
    # Coordinate regression needs more faces than heatmaps, so that the training faces stay close to the test faces.
    config.augment.update(rotation=5.0, scale=(0.97, 1.05), shift=0.02, gain=(0.9, 1.1), grey=0.0)
    config.augment.update(low_resolution=0.0, occlusion=0.0)


VARIANTS = {
    "tiny": _tiny,
    "lotr-tiny": _lotr_tiny,
    "dsat": functools.partial(use_full_dsat, steps=76_000),  # 160 epochs of 3,800 faces
    **{name: functools.partial(use_long_lotr, variant=name) for name in LOTR_VARIANTS},
}
