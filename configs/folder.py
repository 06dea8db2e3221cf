"""DSAT and LOTR on one's own pictures and points, whatever their landmarks are.

python -m tfds_builders.build landmark_folder --manual_dir=DIR
python run.py --config=configs/folder.py                dsat: ours, the full size, for a GPU
python run.py --config=configs/folder.py:small          DSAT for 2 CPU cores
python run.py --config=configs/folder.py:lotr-m         LOTR for 2 CPU cores

The landmarks' scheme is the dataset's. NME is normalised by the outer eye corners, or in a scheme of one's own by its
`normaliser_points`.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """The configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"folder-{variant}"
    config.data.dataset = "landmark_folder"
    config.data.scheme = ""
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test",)
    choose(VARIANTS, variant, "variant of configs/folder.py")(config)
    return config


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=30_000),
    "small": functools.partial(use_small_dsat, steps=2_000, evaluate_every=500),
    "lotr-m": functools.partial(use_small_lotr, steps=4_000, evaluate_every=1_000),
}
