"""DSAT and LOTR on WFLW: 98 points, NME by the distance of the outer eye corners, FR and AUC at 10 %.

python -m tfds_builders.build wflw --manual_dir=DIR
python run.py --config=configs/wflw.py                  dsat: full size; not trained in this project
python run.py --config=configs/wflw.py:small            DSAT for 2 CPU cores; not trained in this project
python run.py --config=configs/wflw.py:lotr-small       LOTR for 2 CPU cores; not trained in this project
python run.py --config=configs/wflw.py:lotr-hr+ --config.model.backbone_weights=hrnet_w32.safetensors
                                                        training of the paper; not trained in this project

The table of an evaluation has a row for the test set (2,500 faces) and one for each of its six subsets that the built
dataset contains. The LOTR
paper reports for LOTR-HR+: NME 4.31 %, pose 7.50 %, makeup 4.16 %, AUC@10 60.14 %.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_lotr, use_small_dsat, use_small_lotr


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"wflw-{variant}"
    config.data.dataset = "wflw"
    config.data.scheme = "wflw_98"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ()  # all test splits: `test` with its subsets, or the subsets in copies without the full list
    config.evaluate.normaliser = "inter_ocular"
    config.evaluate.threshold = 0.1
    choose(VARIANTS, variant, "variant of configs/wflw.py")(config)
    return config


def _lotr_hr(config: ConfigDict) -> None:
    """Sets the training of the paper: LAMB at 1e-3, 100 epochs of 95 % of the faces, rate / 10 at epochs 50 and 75."""
    use_lotr(config, "lotr-hr+")
    config.train.update(batch_size=32, steps=22_300)


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=142_500),  # 160 epochs of 95 % of the official 7,500 faces
    "small": functools.partial(use_small_dsat, steps=10_000, evaluate_every=1_000),
    "lotr-small": functools.partial(use_small_lotr, steps=12_000, evaluate_every=1_000),
    "lotr-hr+": _lotr_hr,
}
