"""DSAT and LOTR on COFW: 29 points, NME by the distance of the pupils, FR and AUC at 10 %.

python -m tfds_builders.build cofw --manual_dir=DIR
python run.py --config=configs/cofw.py                  dsat: full size; not trained in this project
python run.py --config=configs/cofw.py:small            DSAT for 2 CPU cores; not trained in this project
python run.py --config=configs/cofw.py:lotr-small       LOTR for 2 CPU cores; not trained in this project

Occluded landmarks are used in training and evaluation; the evaluation also reports visible and occluded landmarks
separately. Faces are cropped by the boxes of the dataset. The validation split is 5 % of the training faces.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"cofw-{variant}"
    config.data.dataset = "cofw"
    config.data.scheme = "cofw_29"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test",)
    config.evaluate.normaliser = "inter_pupil"
    config.evaluate.threshold = 0.1
    choose(VARIANTS, variant, "variant of configs/cofw.py")(config)
    return config


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=26_000),  # 160 epochs of 95 % of the official 1,345 faces
    "small": functools.partial(use_small_dsat, steps=2_800, evaluate_every=700),
    "lotr-small": functools.partial(use_small_lotr, steps=4_000, evaluate_every=1_000),
}
