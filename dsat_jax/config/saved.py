"""Configurations in run folders and weights files: writing, reading, checking and comparing them."""

import json
import pathlib
import reprlib
import shlex
from collections.abc import Sequence

from ml_collections import ConfigDict

from dsat_jax.config import check
from dsat_jax.config.defaults import MODEL_DEFAULTS, default
from dsat_jax.config.mixture_entries import without_folders
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, text_files

CONFIG_FILE = "config.json"
# Fields that may change when a run is continued: settings of the machine, of logging and of saving.
CHANGEABLE_FIELDS = (
    "data.data_dir",
    "evaluate.batch_size",
    "mesh.model",
    "model.rematerialise",
    "train.keep_decoded",
    "train.log_every",
    "train.not_finite",
    "train.reader_processes",
    "train.reader_threads",
    "train.save_every",
    "train.stall_seconds",
)

_ADDED_AUGMENTATION = (
    "any_rotation",
    "blur",
    "blur_sigma",
    "cover",
    "jpeg",
    "jpeg_quality",
    "low_light",
    "low_light_stops",
    "motion_blur",
    "motion_blur_length",
    "noise",
    "noise_sigma",
    "over_exposure",
    "over_exposure_stops",
    "perspective",
    "small_faces",
    "small_faces_sides",
    "turn",
    "turn_pitch",
    "turn_yaw",
)
ADDED_FIELDS = (
    *(f"augment.{name}" for name in _ADDED_AUGMENTATION),
    "data.mixture",
    "data.resident",
    "data.tied",
    "model.head_channels",
    "model.pointing",
    "train.reader_processes",
    "train.statistics",
)  # of sections in run folders and weights files; those of version 0.2.0 do not have them


def save_config(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Writes the configuration to a run folder, which is created if it does not exist."""
    workdir.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(workdir / CONFIG_FILE, json.dumps(config.to_dict(), indent=2) + "\n")


def load_config(workdir: pathlib.Path) -> ConfigDict:
    """Reads the configuration of a run folder; fields that earlier versions did not have get their defaults.

    Raises:
      FileNotFoundError: if the folder contains no run.
      UserError: if the file is not JSON, or `check.check` refuses its fields.
    """
    path = workdir / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} holds no run: {path} does not exist (train one with --workdir={shlex.quote(str(workdir))})"
        )
    values = text_files.read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: found {reprlib.repr(values)}, expected the configuration of a run")
    config = _default_for(values, str(path))
    _add_fields(values, config)
    check.check(values, config.to_dict(), str(path))
    with config.ignore_type():
        config.update(values)
    return config


def from_sections(values: object, sections: Sequence[str], where: str) -> ConfigDict:
    """Returns the default configuration of a model with some sections replaced.

    Args:
      values: the sections, decoded from JSON; `model.name` names the model.
      sections: names of the sections that `values` must have.
      where: origin of the values, for error messages.

    Raises:
      UserError: if `values` is not an object, or `check.check` refuses its fields.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: found {reprlib.repr(values)}, expected sections of a configuration")
    config = _default_for(values, where)
    _add_fields(values, config)
    default = {name: value for name, value in config.to_dict().items() if name in sections}
    check.check(values, default, where)
    with config.ignore_type():
        config.update(values)
    return config


def _add_fields(values: dict, config: ConfigDict) -> None:
    """Sets the fields of `ADDED_FIELDS` that the sections in `values` do not have to those of `config`."""
    for section, name in (field.split(".") for field in ADDED_FIELDS):
        if isinstance(values.get(section), dict) and name in config[section]:
            values[section].setdefault(name, config[section][name])


def check_config(config: ConfigDict, where: str) -> None:
    """Refuses a configuration whose fields, types or values are not valid.

    Args:
      config: configuration of a file in `configs/`, with the overrides of the command line.
      where: origin of the configuration, for error messages.

    Raises:
      UserError: if `config` is not a ConfigDict, or `check.check` refuses its fields.
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"{where}: found {reprlib.repr(config)}, expected a ConfigDict from get_config")
    values = config.to_dict()
    check.check(values, _default_for(values, where).to_dict(), where)


def _default_for(values: dict, where: str) -> ConfigDict:
    """Returns the default configuration with the model that `values` names."""
    model = values.get("model")
    name = model.get("name") if isinstance(model, dict) else None
    if not isinstance(name, str) or name not in MODEL_DEFAULTS:
        raise UserError(f"{where} names the model {name!r}, expected one of {', '.join(MODEL_DEFAULTS)}")
    return _default_of(name)


def _default_of(model: str) -> ConfigDict:
    config = default()
    config.model = MODEL_DEFAULTS[model]()
    return config


def field_names() -> list[str]:
    """Returns the sorted full names of all fields that a configuration of any model can have."""
    return sorted({name for model in MODEL_DEFAULTS for name in flatten(_default_of(model).to_dict())})


def flatten(values: dict, prefix: str = "") -> dict[str, object]:
    """Returns all leaf fields of nested sections by their full names, joined by dots."""
    fields = {}
    for key, value in values.items():
        fields |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return fields


def differences(saved: ConfigDict, given: ConfigDict) -> list[str]:
    """Lists the fields, except `CHANGEABLE_FIELDS`, in which two configurations differ: `seed: 1 saved, 2 given`."""
    old, new = flatten(saved.to_dict()), flatten(given.to_dict())
    return [
        f"{name}: {old.get(name)} saved, {new.get(name)} given"
        for name in sorted({*old, *new} - {*CHANGEABLE_FIELDS})
        if _compared(name, old.get(name)) != _compared(name, new.get(name))
    ]


def _compared(name: str, value: object) -> object:
    """Returns the value of a field as it is compared: a tuple is a list, and the folders of a mixture are left out."""
    if name == "data.mixture" and value is not None:
        return list(without_folders(value))
    return list(value) if isinstance(value, tuple) else value
