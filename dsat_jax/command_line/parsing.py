"""Parsing of the command line; errors in it or in the configuration are reported in one line."""

import difflib
import logging
import pathlib
import re
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence

from absl import flags
from ml_collections import config_flags

from dsat_jax.errors import UserError

_UNREAD = re.compile(r"Unknown command line flag 'config\.")
_NEAREST = 3  # number of fields suggested for one that does not exist

# Packages of the extra `train`, which inference does not need.
TRAINING_PACKAGES = frozenset(
    (
        "array_record",
        "etils",
        "grain",
        "h5py",
        "matplotlib",
        "optax",
        "orbax",
        "psutil",
        "scipy",
        "tensorboardX",
        "tensorflow_datasets",
    )
)


class Notices(logging.Formatter):
    """Formats warnings like the errors of `refuse`; with --verbosity, absl's format has time and line of the code."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of a message, and the traceback of an exception that it reports."""
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def refuse(message: str) -> int:
    """Prints an error message in one line; returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str]) -> Sequence[str]:
    """Parses the flags and checks the configuration that `--config` names, if any; an error ends the program.

    Args:
      arguments: `sys.argv`, from which ml_collections reads the overrides itself.

    Returns:
      The name of the program and the arguments that are not flags.
    """
    try:
        remaining = flags.FLAGS(with_config_paths(arguments))
        if flags.FLAGS["config"].present:
            _check_config()
    except (flags.Error, ValueError, OSError) as error:
        sys.exit(refuse(_in_one_line(str(error))))
    except Exception as error:
        # A configuration is Python code, and an override is a path into its result: both can raise any exception.
        sys.exit(refuse(_locate(error, arguments) or _misfit(error, arguments)))
    return remaining


def with_config_paths(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with names of the project's configurations replaced by the paths of their files.

    Args:
      arguments: command line, which may contain `--config=w300:small` or `--config w300:small`.

    Raises:
      UserError: if `--config` has a name that no configuration has.
    """
    resolved = list(arguments)
    for index, argument in enumerate(arguments):
        flag, equals, name = argument.partition("=")
        if flag in ("--config", "-config") and equals:
            resolved[index] = f"{flag}={_config_path(name)}"
        elif index and arguments[index - 1] in ("--config", "-config"):
            resolved[index] = _config_path(argument)
    return resolved


def _config_path(name: str) -> str:
    """Returns the path of `configs/NAME.py`, followed by the variant; a path is returned unchanged.

    The folder `configs` is next to the package in a clone, and inside the package after an installation.

    Raises:
      UserError: if there is no such file, or configuration of that name; the message names the nearest.
    """
    stem, colon, variant = name.partition(":")
    if not stem.isidentifier():
        _check_file(name, stem)
        return name
    package = pathlib.Path(__file__).parents[1]
    files = (package / "configs" / f"{stem}.py", package.parent / "configs" / f"{stem}.py")
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        names = sorted(file.stem for folder in files for file in folder.parent.glob("[!_]*.py"))
        raise UserError(
            f"--config={name}: no configuration is called {stem}{_nearest(stem, names)}, expected a path or one of "
            f"{', '.join(names)}"
        )
    return f"{path}{colon}{variant}"


def _check_file(name: str, file: str) -> None:
    """Raises UserError, which names the nearest files, if a configuration's file does not exist."""
    path = pathlib.Path(file)
    if path.suffix == ".py" and not path.exists():
        names = [str(other) for other in path.parent.glob("[!_]*.py")]
        raise UserError(f"--config={name}: No such file or directory: {file!r}{_nearest(str(path), names)}")


def _nearest(name: str, names: Sequence[str]) -> str:
    """Returns the names similar to one that does not exist, as part of a sentence."""
    return _suggested(difflib.get_close_matches(name, names, n=1, cutoff=0.7))


def _suggested(nearest: Sequence[str]) -> str:
    """Returns names to try instead of one that does not exist, as part of a sentence."""
    return f" (the nearest: {', '.join(nearest)})" if nearest else ""


def take_mode(words: Sequence[str], modes: Collection[str]) -> Sequence[str]:
    """Sets the flag `--mode` to the mode that the first word names, if any.

    Args:
      words: arguments that are not flags.
      modes: names of the modes.

    Returns:
      The words without that of the mode.

    Raises:
      UserError: if a word and the flag name a mode, or the first word is not a mode and the flag names none.
    """
    if not words:
        return words
    first, flag = words[0], flags.FLAGS["mode"]
    if flag.present and first in modes:
        raise UserError(
            f"{first} and --mode={flag.value} both name a mode, expected one of them; a file is ./{first}"
        )
    if not flag.present and first not in modes:
        raise UserError(f"{first} is not a mode, expected {', '.join(modes)}")
    if flag.present:
        return words
    flag.value = first
    return words[1:]


def check_used(mode: str, modes_of_flags: Mapping[str, Sequence[str]]) -> None:
    """Checks that the mode reads all flags on the command line.

    Args:
      mode: name of the mode.
      modes_of_flags: modes that read a flag, by the flag's name, without the flags that all modes read.

    Raises:
      UserError: if the mode ignores a flag.
    """
    for name, modes in modes_of_flags.items():
        if flags.FLAGS[name].present and mode not in modes:
            raise UserError(f"--{name} is for --mode={' and '.join(modes)}: --mode={mode} does not read it")


def _check_config() -> None:
    """Checks the fields of the configuration; if it could not be loaded, raises the error of loading."""
    config = flags.FLAGS["config"]
    getattr(config.value, "name", None)
    from dsat_jax.config import check_config

    check_config(config.value, config_flags.get_config_filename(config))


def _in_one_line(report: str) -> str:
    """Returns the cause from an error message of absl or ml_collections; the latter contains a whole traceback."""
    first, *others = report.strip().splitlines()
    if _UNREAD.match(first):
        first += (
            "; such fields need --config=FILE, in train, benchmark and plan: other modes read the configuration of the "
            "run, and evaluate takes --data_dir, --dataset, --split and --normaliser"
        )
    if not others:
        return first.removeprefix("Configuration is not available because of an earlier failure to load: ")
    flag, reported, _ = first.partition(": Error whilst parsing config file:")
    cause = re.sub(r"^(\w+\.)*(ValueError|UserError): ", "", others[-1].strip())
    return f"{flag}: {cause}" if reported else cause


def _locate(error: Exception, arguments: Sequence[str]) -> str | None:
    """Returns an error and its line in the configuration file, as text; None if it was raised elsewhere."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, SyntaxError):
        files = [argument for argument in arguments if argument.startswith(("-config=", "--config="))]
        where = f"{error.filename}, line {error.lineno}" if error.filename else " ".join(files)
        return f"{where}: {type(error).__name__}: {error.msg}"
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__")
        == "config_config"  # the module name that ml_collections gives the file
    ]
    if frames:
        return "{}, line {}: {}".format(*frames[-1], what)
    if isinstance(error, AttributeError) and error.name == "get_config":
        return f"{error.obj.__file__} has no function get_config, expected a configuration"
    return None


def _misfit(error: Exception, arguments: Sequence[str]) -> str:
    """Returns a message that names the override of a missing field, and similar fields of the configuration."""
    overrides = [argument for argument in arguments if argument.startswith(("-config.", "--config."))]
    # The messages of ml_collections start with the field's name, in several kinds of quotation marks.
    word = re.search(r"\w+", str(error)) if isinstance(error, AttributeError | KeyError) else None
    for override in overrides:
        name = override.partition("=")[0].lstrip("-").removeprefix("config.")
        if word and word[0] in name.split("."):
            return f"the configuration has no field {name}{_similar_fields(name)}; {override} sets it"
    return f"the configuration does not have the fields of {' '.join(overrides)}"


def _similar_fields(name: str) -> str:
    """Returns the fields similar to a name, as part of a sentence: those of the same name first."""
    from dsat_jax.config import field_names

    fields = field_names()
    last = name.rpartition(".")[2]
    ends = {field.rpartition(".")[2]: field for field in fields}
    elsewhere = [field for field in fields if field.rpartition(".")[2] == last]
    alike = [ends[end] for end in difflib.get_close_matches(last, ends, n=1)]
    alike += difflib.get_close_matches(name, fields, n=_NEAREST)
    return _suggested(list(dict.fromkeys([*elsewhere, *alike]))[:_NEAREST])
