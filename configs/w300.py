"""DSAT and LOTR on 300W: 68 points, NME by the distance of the outer eye corners, FR and AUC at 8 %.

python -m tfds_builders.build w300 --manual_dir=DIR
python run.py --config=configs/w300.py                  dsat: 185.7 M parameters; not trained in this project
python run.py --config=configs/w300.py:dsat-released    released network and schedule; not trained in this project
python run.py --config=configs/w300.py:dsat-300w        NME 3.35 % on helen_test (330 faces), 82 min on one CPU core
python run.py --config=configs/w300.py:dsat-hard-first  NME 3.92 % on helen_test, 81 min on 2 CPU cores
python run.py --config=configs/w300.py:dsat-hard-second NME 3.51 % on helen_test, 108 min more on 2 shared CPU cores
python run.py --config=configs/w300.py:dsat-hard        NME 3.32 % on helen_test, 109 min more on 2 CPU cores
python run.py --config=configs/w300.py:dsat-hard-head   NME 3.29 % on helen_test, 97 min more on 2 CPU cores
python run.py --config=configs/w300.py:lotr-300w        NME 3.58 % on helen_test, 65 min on 2 shared CPU cores
python run.py --config=configs/w300.py:lotr-hard        LOTR for hard faces, not measured yet
python run.py --config=configs/w300.py:small            NME 3.56 % on helen_test, 33 min on one CPU core
python run.py --config=configs/w300.py:lotr-small       NME 5.68 % on helen_test, 36.4 min on 2 shared CPU cores

`dsat-300w`, `dsat-hard` and `lotr-300w` train the shipped networks of those names; `dsat-hard` continues from
`dsat-hard-second`, and that from `dsat-hard-first`. The figures are for 1,911 training faces (95 % of afw, 870 faces of
helen and 805 faces of lfpw together), an AMD EPYC and jax 0.10.2. The three and `lotr-hard` also learn from other
datasets, and for faces that are turned, rolled, covered or badly taken.
The other LOTR variants have the sizes of the paper and need a GPU and a pretrained backbone; they were not trained in
this project.
"""

import functools

from ml_collections import ConfigDict

from dsat_jax.config import choose, default
from dsat_jax.config.variants import (
    LOTR_VARIANTS,
    use_full_dsat,
    use_long_lotr,
    use_lotr,
    use_small_dsat,
    use_small_lotr,
)


def get_config(variant: str = "dsat") -> ConfigDict:
    """Returns the configuration of a variant, a key of `VARIANTS`."""
    config = default()
    config.name = f"w300-{variant}"
    config.data.dataset = "w300"
    config.data.scheme = "w300_68"
    config.data.test = ("test_common", "test_challenging", "test_full", "helen_test", "lfpw_test")
    choose(VARIANTS, variant, "variant of configs/w300.py")(config)
    return config


def _released(config: ConfigDict) -> None:
    """Sets the network, targets, loss, augmentation and schedule of the released code.

    These differences remain: the NME is measured against float labels in original pixels; mirror averaging also
    exchanges boundary channels; training crops have the margin of the test crops, 5 %, and are rotated after the fit of
    the box, not before; boundary maps use exact distances to straight lines instead of distances to rasterised curves.
    """
    config.model.gate = "released"
    config.input.enlarge = 0.05
    config.augment.update(grey=0.0, occlusion=0.0)
    config.loss.update(heatmap=1.0, coordinates=0.0, truncate=True)
    config.optimizer.update(
        name="adam", learning_rate=2.5e-4, b1=0.5, b2=0.999, schedule="step", warmup_steps=0
    )
    config.optimizer.update(step_at=(0.4, 0.8), step_factor=0.5, ema=0.0)
    config.train.update(batch_size=5, steps=100_000)
    config.evaluate.decoder = "log_quadratic"


def _shipped_dsat(config: ConfigDict) -> None:
    """Sets the shipped `dsat-300w`: `small` with more steps, mainly coordinate loss and stronger augmentation."""
    use_small_dsat(config, steps=9_000, evaluate_every=1_500)
    config.loss.update(heatmap=0.1, coordinates=1e-2)
    config.augment.update(rotation=30.0, low_resolution=0.2, low_resolution_share=0.4, occlusion=0.3)
    config.train.keep_decoded = True


def _shipped_lotr(config: ConfigDict) -> None:
    """Sets the shipped `lotr-300w`: queries that point, on the trunk of `dsat-300w`, with the augmentation of that."""
    use_lotr(config, "lotr-m")
    config.input.update(size=96, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    config.model.update(backbone="hourglass_32", backbone_weights="dsat-300w", pointing=True)
    config.model.update(dim=96, heads=4, feed_forward=384, head_width=192, dropout=0.0)
    config.augment.update(rotation=30.0, scale=(0.92, 1.1), shift=0.06)
    config.augment.update(low_resolution=0.2, low_resolution_share=0.4, occlusion=0.3)
    config.loss.auxiliary = 0.5
    config.optimizer.update(name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=300, ema=0.998)
    config.train.update(batch_size=16, steps=6_000, evaluate_every=1_000, keep_decoded=True)


def _hard_faces(config: ConfigDict) -> None:
    """Sets training for hard faces: other datasets, turned heads, any rotation, covers, bad light, blur, compression.

    The datasets of the mixture are built from SCUT-FBP5500 and FG-NET with the examples of landmark_folder, and drawn.
    """
    config.data.mixture = (
        "landmark_folder train 0.05 ~/tensorflow_datasets/scut",
        "landmark_folder train 0.15 ~/tensorflow_datasets/fgnet",
        "synthetic_faces/turned train 0.1",
    )
    config.augment.update(rotation=30.0, any_rotation=0.2, turn=0.25, scale=(0.88, 1.12), shift=0.06)
    config.augment.update(cover=0.15, occlusion=0.2, low_light=0.08, over_exposure=0.03, noise=0.1)
    config.augment.update(blur=0.1, motion_blur=0.05, small_faces=0.1, jpeg=0.1, low_resolution=0.0)
    config.train.keep_decoded = True


def _first_hard_dsat(config: ConfigDict) -> None:
    """Sets the first training of `dsat-hard`: `small` with 48 channels, mainly coordinate loss, and hard faces."""
    use_small_dsat(config, steps=8_800, evaluate_every=1_100)
    _hard_faces(config)
    config.model.width = 48
    config.loss.update(heatmap=0.1, coordinates=1e-2)


def _second_hard_dsat(config: ConfigDict) -> None:
    """Sets the second training of `dsat-hard`, which continues from the first with fewer hard faces.

    `train.start_from` is the folder in which the first training, the variant `dsat-hard-first`, is by default.
    """
    _first_hard_dsat(config)
    config.data.mixture = (
        "landmark_folder train 0.03 ~/tensorflow_datasets/scut",
        "landmark_folder train 0.07 ~/tensorflow_datasets/fgnet",
        "synthetic_faces/turned train 0.05",
    )
    config.augment.update(any_rotation=0.08, turn=0.12, scale=(0.9, 1.1), cover=0.08, occlusion=0.25)
    config.augment.update(low_light=0.04, over_exposure=0.02, noise=0.05, blur=0.06, motion_blur=0.03)
    config.augment.update(small_faces=0.05, jpeg=0.05, low_resolution=0.1, low_resolution_share=0.4)
    config.optimizer.update(learning_rate=3e-3, warmup_steps=200)
    config.train.update(steps=8_400, evaluate_every=1_200, start_from="runs/w300-dsat-hard-first")


def _hard_dsat(config: ConfigDict) -> None:
    """Sets the last training of the shipped `dsat-hard`: from the second, as `dsat-300w` but with a few hard faces."""
    _second_hard_dsat(config)
    config.data.mixture = (
        "landmark_folder train 0.03 ~/tensorflow_datasets/fgnet",
        "synthetic_faces/turned train 0.03",
    )
    config.augment.update(any_rotation=0.03, turn=0.05, scale=(0.92, 1.1), cover=0.03, occlusion=0.3)
    config.augment.update(low_light=0.02, over_exposure=0.01, noise=0.02, blur=0.03, motion_blur=0.01)
    config.augment.update(small_faces=0.02, jpeg=0.02, low_resolution=0.2, low_resolution_share=0.4)
    config.train.update(steps=7_600, evaluate_every=1_900, start_from="runs/w300-dsat-hard-second")


def _hard_dsat_with_head(config: ConfigDict) -> None:
    """Sets a fourth training, not shipped: from `dsat-hard`, with a new head of 64 channels and a rate in steps."""
    _hard_dsat(config)
    config.model.head_channels = 64
    config.optimizer.update(schedule="step", step_at=(0.6, 0.8, 0.93), step_factor=0.3)
    config.train.update(steps=5_600, evaluate_every=1_600, start_from="dsat-hard")


def _hard_lotr(config: ConfigDict) -> None:
    """Sets a LOTR of 128 pixels with an EfficientNet-Lite0 for hard faces.

    It is meant for a pretrained backbone: `--config.model.backbone_weights=FILE`, see docs/lotr.md.
    """
    use_lotr(config, "lotr-e+")
    config.input.size = 128
    config.model.update(dim=128, heads=4, feed_forward=512, head_width=256, dropout=0.0, pointing=True)
    _hard_faces(config)
    config.loss.auxiliary = 0.5
    config.optimizer.update(name="adamw", learning_rate=5e-4, schedule="cosine", warmup_steps=500, ema=0.998)
    config.train.update(batch_size=16, steps=14_000, evaluate_every=2_000)


VARIANTS = {
    "dsat": functools.partial(use_full_dsat, steps=60_000),  # 160 epochs of 95 % of the official 3,148 faces
    "dsat-released": _released,
    "small": functools.partial(use_small_dsat, steps=4_200, evaluate_every=700),
    "lotr-small": functools.partial(use_small_lotr, steps=6_000, evaluate_every=1_000),
    "dsat-300w": _shipped_dsat,
    "dsat-hard-first": _first_hard_dsat,
    "dsat-hard-second": _second_hard_dsat,
    "dsat-hard": _hard_dsat,
    "dsat-hard-head": _hard_dsat_with_head,
    "lotr-300w": _shipped_lotr,
    "lotr-hard": _hard_lotr,
    **{name: functools.partial(use_long_lotr, variant=name) for name in LOTR_VARIANTS},
}
