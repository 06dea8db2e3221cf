"""The files in `configs/`: every variant is valid, and unknown variants are refused."""

import importlib
import pathlib

import pytest

from dsat_jax import decode, losses, metrics
from dsat_jax.config import check_config
from dsat_jax.schemes import SCHEMES
from dsat_jax.training import optimizer

FILES = sorted(path.stem for path in pathlib.Path("configs").glob("*.py"))


def all_variants() -> list[tuple[str, str]]:
    modules = {name: importlib.import_module(f"configs.{name}") for name in FILES}
    return [(name, variant) for name, module in modules.items() for variant in module.VARIANTS]


@pytest.mark.parametrize(("name", "variant"), all_variants())
def test_every_variant_is_valid_and_its_names_exist(name, variant):
    config = importlib.import_module(f"configs.{name}").get_config(variant)
    check_config(config, name)
    assert config.data.scheme in {*SCHEMES, ""}
    assert config.loss.penalty in losses.PENALTIES
    assert config.evaluate.decoder in decode.DECODERS
    assert config.evaluate.normaliser in metrics.NORMALISERS
    assert config.optimizer.name in optimizer.OPTIMIZERS
    assert config.optimizer.schedule in optimizer.SCHEDULES


@pytest.mark.parametrize("name", FILES)
def test_an_unknown_variant_is_refused_with_the_known_ones(name):
    module = importlib.import_module(f"configs.{name}")
    with pytest.raises(
        ValueError, match=rf"variant of configs/{name}\.py 'x', expected one of {next(iter(module.VARIANTS))}"
    ):
        module.get_config("x")


@pytest.mark.parametrize("variant", ["dsat", "small", "lotr-m", "lotr-small"])
def test_a_variant_name_is_one_network_in_every_configuration(variant):
    modules = {name: importlib.import_module(f"configs.{name}") for name in FILES}
    configs = [
        module.get_config(variant).to_dict() for module in modules.values() if variant in module.VARIANTS
    ]
    assert len(configs) > 1
    for config in configs[1:]:
        assert config["model"] == configs[0]["model"]
        assert config["input"]["size"] == configs[0]["input"]["size"]
