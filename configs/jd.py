"""DSAT and LOTR on JD-landmark: 106 points, NME by sqrt(width * height) of the landmarks' box, FR and AUC at 8 %.

python -m tfds_builders.build jd_landmark --manual_dir=DIR
python run.py --config=configs/jd.py                    dsat: full size
python run.py --config=configs/jd.py:small              DSAT for 2 CPU cores
python run.py --config=configs/jd.py:lotr-m             settings of the paper, which reports AUC 87.05 on test
python run.py --config=configs/jd.py:lotr-r+            settings of the paper: AUC 87.71, NME 0.98 %, FR 0.00 %

No variant was trained in this project. LOTR needs a pretrained backbone: `--config.model.backbone_weights=FILE`.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import use_full_dsat, use_lotr, use_small_dsat


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"jd-{variant}"
    config.data.dataset = "jd_landmark"
    config.data.scheme = "jd_106"
    config.data.train = "train[:95%]"
    config.data.validation = "train[95%:]"
    config.data.test = ("test", "valid")  # most copies of the dataset have only `valid`
    config.evaluate.normaliser = "landmark_box_size"
    config.evaluate.threshold = 0.08
    choose(VARIANTS, variant, "variant of configs/jd.py")(config)
    return config


def _lotr(config: ConfigDict, variant: str) -> None:
    """Sets the training of the paper: LAMB at 1e-3, batches of 32, 100 epochs, rate / 10 at epochs 50 and 75."""
    use_lotr(config, variant)
    config.train.batch_size = 32
    config.train.steps = 33_800  # 100 epochs of 95 % of the official 11,393 faces


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=135_300),  # 100 epochs of 95 % of 11,393 official faces
    "small": functools.partial(use_small_dsat, steps=15_000, evaluate_every=1_000),
    **{name: functools.partial(_lotr, variant=name) for name in ("lotr-m", "lotr-m+", "lotr-r+")},
}
