"""Configurations in run folders and weights files: writing, reading and comparing them."""

import json
import pathlib

import pytest

from dsat_jax.config import (
    CHANGEABLE_FIELDS,
    CONFIG_FILE,
    MODEL_DEFAULTS,
    default,
    differences,
    field_names,
    from_sections,
    load_config,
    save_config,
)


@pytest.mark.parametrize("model", MODEL_DEFAULTS)
def test_a_saved_configuration_is_read_unchanged(tmp_path: pathlib.Path, model: str):
    config = default()
    config.model = MODEL_DEFAULTS[model]()
    config.train.steps = 7
    config.augment.scale = (0.5, 2.0)
    save_config(config, tmp_path / "runs" / "run")
    loaded = load_config(tmp_path / "runs" / "run")
    assert differences(loaded, config) == []
    assert (loaded.train.steps, loaded.model.name) == (7, model)
    assert list(loaded.augment.scale) == [0.5, 2.0]


def test_differences_name_the_fields():
    one, other = default(), default()
    other.train.batch_size = 48
    other.seed = 1
    assert differences(one, other) == ["seed: 0 saved, 1 given", "train.batch_size: 32 saved, 48 given"]


def test_differences_ignore_changeable_fields_and_the_type_of_lists():
    one, other = default(), default()
    other.train.log_every = 1
    other.data.data_dir = "elsewhere"
    with other.ignore_type():
        other.augment.scale = [0.9, 1.2]
    assert differences(one, other) == []


def test_differences_list_fields_of_one_model_only():
    one, other = default(), default()
    other.model = MODEL_DEFAULTS["lotr"]()
    lines = differences(one, other)
    assert "model.name: dsat saved, lotr given" in lines
    assert "model.width: 256 saved, None given" in lines
    assert "model.dim: None saved, 256 given" in lines


def test_changeable_fields_exist_and_field_names_cover_all_models():
    names = field_names()
    assert set(CHANGEABLE_FIELDS) <= set(names)
    assert {"seed", "train.steps", "model.stacks", "model.decoder_layers"} <= set(names)
    assert names == sorted(set(names))


def test_folders_without_a_run_or_with_an_invalid_one_are_refused(tmp_path: pathlib.Path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        load_config(tmp_path)
    path = tmp_path / CONFIG_FILE
    path.write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: not JSON"):
        load_config(tmp_path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json: found \[\], expected the configuration of a run"):
        load_config(tmp_path)
    values = default().to_dict()
    values["train"]["epochs"] = 3
    del values["seed"]
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"fields in one but not the other: seed, train\.epochs"):
        load_config(tmp_path)


def test_sections_replace_those_of_the_default():
    model = {**MODEL_DEFAULTS["lotr"]().to_dict(), "dim": 96}
    crop = {**default().input.to_dict(), "size": 64}
    config = from_sections({"model": model, "input": crop}, ("model", "input"), "here")
    assert (config.model.dim, config.input.size) == (96, 64)
    assert config.train == default().train


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, "here: found 3, expected sections of a configuration"),
        ({}, "here names the model None, expected one of dsat, lotr"),
        (
            {"model": {"name": "dsat"}},
            "here does not fit this version: fields in one but not the other: model",
        ),
    ],
)
def test_invalid_sections_are_refused(values: object, message: str):
    with pytest.raises(ValueError, match=message):
        from_sections(values, ("model",), "here")


def test_the_folders_of_a_mixture_may_change_but_not_its_datasets():
    saved, given = default(), default()
    saved.data.mixture = ("cofw train 0.1 ~/here",)
    given.data.mixture = ("cofw train 0.1 /there",)
    assert differences(saved, given) == []
    given.data.mixture = ("cofw train 0.2 ~/here",)
    assert len(differences(saved, given)) == 1


def test_a_run_of_an_earlier_version_has_the_defaults_of_added_fields(tmp_path):
    save_config(default(), tmp_path)
    path = tmp_path / CONFIG_FILE
    values = json.loads(path.read_text())
    del values["train"]["reader_processes"]
    path.write_text(json.dumps(values))
    assert load_config(tmp_path).train.reader_processes == 0


def test_a_weights_file_of_an_earlier_version_has_the_defaults_of_added_fields():
    data = default().data.to_dict()
    del data["resident"]
    sections = {"model": default().model.to_dict(), "data": data}
    assert from_sections(sections, ("model", "data"), "here").data.resident is False
