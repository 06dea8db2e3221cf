"""Configurations: kept by a run's folder, compared, and refused where they do not fit."""

import importlib
import json
import pathlib

import pytest

from dsat_jax import decode, losses, metrics
from dsat_jax.config import CONFIG_FILE, check_config, default, differences, load_config, save_config
from dsat_jax.schemes import SCHEMES
from dsat_jax.training import optimizer

FILES = sorted(path.stem for path in pathlib.Path("configs").glob("*.py"))


def all_variants() -> list[tuple[str, str]]:
    modules = {name: importlib.import_module(f"configs.{name}") for name in FILES}
    return [(name, variant) for name, module in modules.items() for variant in module.VARIANTS]


def test_a_configuration_survives_its_folder(tmp_path):
    config = default()
    config.train.steps = 7
    save_config(config, tmp_path / "run")
    loaded = load_config(tmp_path / "run")
    assert differences(loaded, config) == []
    assert loaded.train.steps == 7


def test_differences_name_the_fields():
    one, other = default(), default()
    other.train.batch_size = 48
    assert differences(one, other) == ["train.batch_size: 32 there, 48 here"]


def test_folders_without_a_run_or_with_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        load_config(tmp_path)
    path = tmp_path / CONFIG_FILE
    path.write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: not JSON"):
        load_config(tmp_path)
    values = default().to_dict()
    values["train"]["epochs"] = 3
    del values["seed"]
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"fields in one but not the other: seed, train\.epochs"):
        load_config(tmp_path)


@pytest.mark.parametrize(("name", "variant"), all_variants())
def test_every_variant_names_things_that_exist(name, variant):
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
        ValueError, match=rf"variant of configs/{name}\.py 'x'; there are {next(iter(module.VARIANTS))}"
    ):
        module.get_config("x")
