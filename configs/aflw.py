"""DSAT and LOTR on AFLW-19: 19 points, NME by the diagonal of the face box, FR and AUC at 7 %.

python -m tfds_builders.build aflw19 --manual_dir=DIR
python run.py --config=configs/aflw.py                  dsat: full size; not trained in this project
python run.py --config=configs/aflw.py:small            DSAT for 2 CPU cores; not trained in this project
python run.py --config=configs/aflw.py:lotr-small       LOTR for 2 CPU cores; not trained in this project

Occluded landmarks are annotated. They are used in training and evaluation, as in the papers (DSAT: NME 1.35 % on
test_full); the evaluation also reports visible and occluded landmarks separately. The published AUC at 7 % (FaRL) has
the normaliser of `--config.evaluate.normaliser=box_size`. Faces are cropped by the boxes of the dataset. The
validation split is 5 % of the training faces.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"aflw-{variant}"
    config.data.dataset = "aflw19"
    config.data.scheme = "aflw_19"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test_full", "test_frontal")
    config.evaluate.normaliser = "box_diagonal"  # as for the NME of the DSAT paper
    config.evaluate.threshold = 0.07  # as for the AUC of FaRL, whose normaliser is `box_size`
    choose(VARIANTS, variant, "variant of configs/aflw.py")(config)
    return config


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=120_000),  # 50 epochs of 95 % of the official 20,000 faces
    "small": functools.partial(use_small_dsat, steps=20_000, evaluate_every=2_000),
    "lotr-small": functools.partial(use_small_lotr, steps=12_000, evaluate_every=2_000),
}
