"""The shared variants: the fields that they set, and those that they keep."""

import pytest

from dsat_jax.config import check_config, default, variants


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("lotr-m", ("mobilenet_v2", 0, 192)),
        ("lotr-m+", ("mobilenet_v2", 2, 192)),
        ("lotr-r+", ("resnet50", 2, 192)),
        ("lotr-hr+", ("hrnet_w32", 2, 256)),
        ("lotr-e", ("efficientnet_lite0", 0, 192)),
        ("lotr-e+", ("efficientnet_lite0", 2, 192)),
    ],
)
@pytest.mark.parametrize("use", [variants.use_lotr, variants.use_long_lotr])
def test_a_lotr(use, variant, expected):
    config = default()
    use(config, variant)
    check_config(config, variant)
    assert (config.model.backbone, config.model.upsamplings, config.input.size) == expected
    # The weights of EfficientNet-Lite0 expect (pixel - 127) / 128.
    centre, scale = (127 / 255, 128 / 255) if variant.startswith("lotr-e") else (0.485, 0.229)
    assert (config.input.mean[0], config.input.std[0]) == (centre, scale)
    assert (config.loss.heatmap, config.loss.coordinates) == (0.0, 1.0)
    assert config.optimizer.name == ("lamb" if use is variants.use_lotr else "adamw")


def test_the_full_dsat_keeps_the_default_network():
    config = default()
    variants.use_full_dsat(config, steps=5)
    assert config.model == default().model
    assert (config.train.batch_size, config.train.steps) == (8, 5)


@pytest.mark.parametrize(
    ("use", "model"), [(variants.use_small_dsat, "dsat"), (variants.use_small_lotr, "lotr")]
)
def test_the_small_variants_take_their_schedule(use, model):
    config = default()
    use(config, steps=40, evaluate_every=20)
    check_config(config, "small")
    assert config.model.name == model
    assert config.input.size == 96
    assert (config.train.batch_size, config.train.steps, config.train.evaluate_every) == (16, 40, 20)
