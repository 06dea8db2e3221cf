"""Configurations as a run's folder and a file of weights keep them: written, read, checked and compared."""

import json
import pathlib
import reprlib
from collections.abc import Sequence

from ml_collections import ConfigDict

from dsat_jax.config import check
from dsat_jax.config.defaults import MODEL_DEFAULTS, default
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, text_files

CONFIG_FILE = "config.json"
# May change from one part of a run to the next: how the machine is set up, and how the run is watched and saved.
CHANGEABLE_FIELDS = (
    "data.data_dir",
    "evaluate.batch_size",
    "mesh.model",
    "model.rematerialise",
    "train.keep_decoded",
    "train.log_every",
    "train.not_finite",
    "train.reader_threads",
    "train.save_every",
    "train.stall_seconds",
)


def save_config(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Writes the configuration into a run's folder, which it makes."""
    workdir.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(workdir / CONFIG_FILE, json.dumps(config.to_dict(), indent=2) + "\n")


def load_config(workdir: pathlib.Path) -> ConfigDict:
    """The configuration that a run's folder keeps.

    Raises:
      FileNotFoundError: if the folder holds no run.
      ValueError: if the file is damaged, or its fields are not those of this version; see `check.check`.
    """
    path = workdir / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} holds no run: {path} does not exist (train one with --workdir={workdir})"
        )
    values = text_files.read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: found {reprlib.repr(values)}, expected a configuration as a run writes it")
    config = _default_for(values, str(path))
    check.check(values, config.to_dict(), str(path))
    with config.ignore_type():
        config.update(values)
    return config


def from_sections(values: object, sections: Sequence[str], where: str) -> ConfigDict:
    """The default configuration of a model with some sections of another one.

    Args:
      values: those sections, decoded from JSON.
      sections: their names.
      where: they come from, for errors.

    Raises:
      ValueError: if they are not sections of a configuration of this version; see `check.check`.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: found {reprlib.repr(values)}, expected sections of a configuration")
    config = _default_for(values, where)
    default = {name: value for name, value in config.to_dict().items() if name in sections}
    check.check(values, default, where)
    with config.ignore_type():
        config.update(values)
    return config


def check_config(config: ConfigDict, where: str) -> None:
    """Refuses a configuration with other fields than `default`, other types, or values that cannot work.

    Args:
      config: from a file in `configs/`, perhaps changed by the command line.
      where: it comes from, for the error.

    Raises:
      ValueError: see `check.check`.
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"{where}: found {reprlib.repr(config)}, expected a ConfigDict from get_config")
    values = config.to_dict()
    check.check(values, _default_for(values, where).to_dict(), where)


def _default_for(values: dict, where: str) -> ConfigDict:
    """The default configuration of the model that another one names."""
    model = values.get("model")
    name = model.get("name") if isinstance(model, dict) else None
    if not isinstance(name, str) or name not in MODEL_DEFAULTS:
        raise UserError(f"{where} names the model {name!r}; there are {', '.join(MODEL_DEFAULTS)}")
    return _default_of(name)


def _default_of(model: str) -> ConfigDict:
    config = default()
    config.model = MODEL_DEFAULTS[model]()
    return config


def field_names() -> list[str]:
    """The full names of all fields that a configuration can have, whatever its model."""
    return sorted({name for model in MODEL_DEFAULTS for name in _flatten(_default_of(model).to_dict())})


def _flatten(values: dict, prefix: str = "") -> dict[str, object]:
    """All leaf fields by their names, joined by dots."""
    fields = {}
    for key, value in values.items():
        fields |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return fields


def differences(saved: ConfigDict, given: ConfigDict) -> list[str]:
    """The fields, but for `CHANGEABLE_FIELDS`, in which two configurations differ: `seed: 1 there, 2 here`."""
    there, here = _flatten(saved.to_dict()), _flatten(given.to_dict())
    return [
        f"{name}: {there.get(name)} there, {here.get(name)} here"
        for name in sorted({*there, *here} - {*CHANGEABLE_FIELDS})
        if _plain(there.get(name)) != _plain(here.get(name))
    ]


def _plain(value: object) -> object:
    """A field's value as JSON keeps it: tuples as lists."""
    return list(value) if isinstance(value, tuple) else value
