"""DSAT and LOTR on MERL-RAV: 68 points, NME by sqrt(width * height) of the landmarks' box, FR and AUC at 7 %.

python -m tfds_builders.build merl_rav --manual_dir=DIR
python run.py --config=configs/merl_rav.py              dsat: full size; not trained in this project
python run.py --config=configs/merl_rav.py:small        DSAT for 2 CPU cores; not trained in this project
python run.py --config=configs/merl_rav.py:lotr-small   LOTR for 2 CPU cores; not trained in this project

Self-occluded landmarks have no position and are excluded from training and evaluation. Externally occluded landmarks
are included, and the evaluation also reports them separately.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"merl-rav-{variant}"
    config.data.dataset = "merl_rav"
    config.data.scheme = "w300_68"
    config.data.test = ("test",)
    config.evaluate.normaliser = "landmark_box_size"
    config.evaluate.threshold = 0.07
    choose(VARIANTS, variant, "variant of configs/merl_rav.py")(config)
    return config


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=92_000),  # 50 epochs of 95 % of the official 15,449 faces
    "small": functools.partial(use_small_dsat, steps=20_000, evaluate_every=2_000),
    "lotr-small": functools.partial(use_small_lotr, steps=12_000, evaluate_every=2_000),
}
