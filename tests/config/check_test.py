"""Refused configurations: unknown or missing fields, wrong types, values out of range."""

import json
import pathlib

import pytest

from dsat_jax.config import CONFIG_FILE, MODEL_DEFAULTS, check, check_config, default, load_config


def loaded(folder: pathlib.Path, **changes: object) -> None:
    """Loads the default configuration from a run folder, with some fields changed: `train__steps=3`."""
    values = default().to_dict()
    for name, value in changes.items():
        section, _, field = name.partition("__")
        (values[section] if field else values)[field or section] = value
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    load_config(folder)


@pytest.mark.parametrize(
    ("field", "values", "form"),
    [
        ("seed", [-1, 1.0, True, "1", None, [], {}, 2**31], "a whole number from 0 to 2147483647"),
        ("train__steps", [0, "many", 10**400], "a whole number from 1 to 2147483647"),
        ("input__size", [15, 4097, 96.0], "a whole number from 16 to 4096"),
        ("optimizer__learning_rate", [float("nan"), float("inf"), -1e-3, "1e-3"], "a number from 0 to"),
        ("evaluate__mirror", [0, 1, "true", None], "true or false"),
        ("loss__penalty", [3, None, ["l1"]], "text"),
        ("data__dataset", [3, None, "", " "], "some text"),
        ("data__data_dir", [3, True, []], "some text or nothing"),
        ("data__test", ["test", [3], [""], None], "any number of texts"),
        ("input__mean", [0.5, [0.5, 0.5], [0.5, 0.5, -1], [0, 0, "0"]], "3 numbers from 0 to"),
        ("augment__scale", [[1.2, 0.9], [0, 1], [1], [1, 2, 3]], "2 numbers from 0.01 to 100, the lower one first"),
        ("optimizer__step_at", [[0.5, 1.5], 0.5], "any number of numbers from 0 to 1"),
        ("model", [3, None, []], ""),
        ("train", [3, None, []], "an object with fields"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_named(tmp_path, field, values, form):
    for value in values:
        with pytest.raises(ValueError, match=r"config\.json") as error:
            loaded(tmp_path, **{field: value})
        assert form in str(error.value)
        assert field.replace("__", ".") in str(error.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optimizer__learning_rate", 1),
        ("data__test", []),
        ("data__data_dir", "x"),
        ("train__reader_threads", 0),
    ],
)
def test_valid_values_are_read(tmp_path, field, value):
    loaded(tmp_path, **{field: value})


def test_all_invalid_fields_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"config\.json: seed is -1, expected .*; train\.steps is 0, expected"
    ):
        loaded(tmp_path, seed=-1, train__steps=0)


@pytest.mark.parametrize(("field", "value"), [("train__keep_decoded", True), ("train__reader_processes", 2)])
def test_resident_records_exclude_other_readers(tmp_path, field, value):
    data = default().data.to_dict() | {"resident": True}
    loaded(tmp_path, data=data)
    loaded(tmp_path, **{field: value})
    name = field.replace("__", ".")
    with pytest.raises(
        ValueError, match=rf"config\.json: {name} is {value}, expected .* with data\.resident"
    ):
        loaded(tmp_path, data=data, **{field: value})


def test_the_ranges_are_those_of_fields_that_exist():
    fields = set()
    for name in MODEL_DEFAULTS:
        config = default()
        config.model = MODEL_DEFAULTS[name]()
        fields |= {f"{section}.{field}" for section, values in config.to_dict().items() if isinstance(values, dict)
                   for field in values} | set(config)  # fmt: skip
    named = {
        *check.RANGES,
        *check.INTERVALS,
        *check.ANY_LENGTH,
        *check.NOT_EMPTY,
    }
    assert named <= fields


def test_other_types_than_a_config_dict_are_refused():
    for value in (None, 3, {"name": "x"}):
        with pytest.raises(ValueError, match=r"here: found .*, expected a ConfigDict from get_config"):
            check_config(value, "here")
