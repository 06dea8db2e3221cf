"""The default configuration."""

from dsat_jax.config import MODEL_DEFAULTS, check_config, default


def test_the_defaults_of_every_model_are_valid():
    for name, model in MODEL_DEFAULTS.items():
        config = default()
        config.model = model()
        assert config.model.name == name
        check_config(config, "the defaults")


def test_each_call_returns_a_new_configuration():
    default().train.steps = 1
    assert default().train.steps == 100_000
