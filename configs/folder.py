"""DSAT and LOTR on a folder of images with custom landmarks.

python -m tfds_builders.build landmark_folder --manual_dir=DIR
python run.py --config=configs/folder.py                dsat: full size, for a GPU
python run.py --config=configs/folder.py:small          DSAT for 2 CPU cores
python run.py --config=configs/folder.py:lotr-small     LOTR for 2 CPU cores

The scheme is that of the dataset. The NME is normalised by the distance of the outer eye corners, or of the
`normaliser_points` of a custom scheme.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
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
    "lotr-small": functools.partial(use_small_lotr, steps=4_000, evaluate_every=1_000),
}
