"""The command line of run.py: parsed, and whatever is wrong with it, or with the configuration, said in one line."""

import difflib
import pathlib
import re
import sys
import traceback
from collections.abc import Mapping, Sequence

from absl import flags
from ml_collections import config_flags

from dsat_jax.errors import UserError

_NEAREST = 3  # fields named where one does not exist


def refuse(message: str) -> int:
    """Says in one line what cannot be done; returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str]) -> Sequence[str]:
    """Parses the flags and checks the configuration, if `--config` names one; an error ends the program.

    Args:
      arguments: `sys.argv`, where ml_collections, too, looks for overrides.

    Returns:
      What are no flags, the program's name first.
    """
    try:
        remaining = flags.FLAGS(with_config_paths(arguments))
        if flags.FLAGS["config"].present:
            _check_config()
    except (flags.Error, ValueError, OSError) as error:
        sys.exit(refuse(_in_one_line(str(error))))
    except Exception as error:
        # a configuration is a program, and an override a path into it: both fail in any way
        sys.exit(refuse(_locate(error, arguments) or _misfit(error, arguments)))
    return remaining


def with_config_paths(arguments: Sequence[str]) -> list[str]:
    """The arguments with the path of the file where `--config` names a configuration of the project.

    Args:
      arguments: command line, in which `--config=w300:small` or `--config w300:small` may stand.
    """
    resolved = list(arguments)
    for place, argument in enumerate(arguments):
        flag, equals, name = argument.partition("=")
        if flag in ("--config", "-config") and equals:
            resolved[place] = f"{flag}={_config_path(name)}"
        elif place and arguments[place - 1] in ("--config", "-config"):
            resolved[place] = _config_path(argument)
    return resolved


def _config_path(name: str) -> str:
    """The path of `configs/NAME.py`, its variant behind it; a path stays as it is.

    The files lie beside the package in a clone, and inside it where it is installed.
    """
    stem, colon, variant = name.partition(":")
    if not stem.isidentifier():
        return name
    package = pathlib.Path(__file__).parents[1]
    files = (package / "configs" / f"{stem}.py", package.parent / "configs" / f"{stem}.py")
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        names = sorted(file.stem for folder in files for file in folder.parent.glob("[!_]*.py"))
        raise UserError(f"--config={name}: no configuration is called {stem}; there are {', '.join(names)}")
    return f"{found}{colon}{variant}"


def check_used(mode: str, modes_of_flags: Mapping[str, Sequence[str]]) -> None:
    """Refuses flags that were given but that a mode would pass over.

    Args:
      mode: the mode that runs.
      modes_of_flags: the modes that read a flag, for each flag that not all modes do.

    Raises:
      ValueError: naming the flag and its modes.
    """
    for name, modes in modes_of_flags.items():
        if flags.FLAGS[name].present and mode not in modes:
            raise UserError(f"--{name} is for --mode={' and '.join(modes)}: --mode={mode} does not read it")


def _check_config() -> None:
    """Raises what kept the configuration from being loaded, and what is wrong with its fields."""
    config = flags.FLAGS["config"]
    getattr(config.value, "name", None)
    from dsat_jax.config import check_config

    check_config(config.value, config_flags.get_config_filename(config))


def _in_one_line(report: str) -> str:
    """The cause in a report of absl, or of ml_collections, which holds a whole traceback."""
    first, *others = report.strip().splitlines()
    if not others:
        return first.removeprefix("Configuration is not available because of an earlier failure to load: ")
    flag, reported, _ = first.partition(": Error whilst parsing config file:")
    cause = re.sub(r"^(\w+\.)*(ValueError|UserError): ", "", others[-1].strip())
    return f"{flag}: {cause}" if reported else cause


def _locate(error: Exception, arguments: Sequence[str]) -> str | None:
    """Where in the configuration file an error was raised, and what it is; None if it was raised elsewhere."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, SyntaxError):
        files = [argument for argument in arguments if argument.startswith(("-config=", "--config="))]
        where = f"{error.filename}, line {error.lineno}" if error.filename else " ".join(files)
        return f"{where}: {type(error).__name__}: {error.msg}"
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") == "config_config"  # what ml_collections calls it
    ]
    if frames:
        return "{}, line {}: {}".format(*frames[-1], what)
    if isinstance(error, AttributeError) and error.name == "get_config":
        return f"{error.obj.__file__} has no function get_config, expected a configuration"
    return None


def _misfit(error: Exception, arguments: Sequence[str]) -> str:
    """The override that asks for a field that the configuration does not have, and the fields that may be meant."""
    overrides = [argument for argument in arguments if argument.startswith(("-config.", "--config."))]
    # ml_collections begins with the field's name, in several kinds of quotation marks.
    word = re.search(r"\w+", str(error)) if isinstance(error, AttributeError | KeyError) else None
    for override in overrides:
        name = override.partition("=")[0].lstrip("-").removeprefix("config.")
        if word and word[0] in name.split("."):
            return f"the configuration has no field {name}{_meant(name)}; {override} asks for it"
    return f"the configuration does not have the fields of {' '.join(overrides)}"


def _meant(name: str) -> str:
    """The fields nearest to a name, as part of a sentence: those of that name in other sections, then by spelling."""
    from dsat_jax.config import field_names

    fields = field_names()
    last = name.rpartition(".")[2]
    ends = {field.rpartition(".")[2]: field for field in fields}
    elsewhere = [field for field in fields if field.rpartition(".")[2] == last]
    alike = [ends[end] for end in difflib.get_close_matches(last, ends, n=1)]
    alike += difflib.get_close_matches(name, fields, n=_NEAREST)
    nearest = list(dict.fromkeys([*elsewhere, *alike]))[:_NEAREST]
    return f" (the nearest: {', '.join(nearest)})" if nearest else ""
