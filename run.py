"""Trains, evaluates and predicts face landmarks.

python run.py --config=configs/synthetic.py
python run.py --mode=evaluate --workdir=runs/synthetic
python run.py --mode=predict --workdir=runs/synthetic --images='photos/*.jpg' --out=predictions
"""

import pathlib
import re
import sys
import traceback
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import config_flags

STOPPED = 75  # exit code of a run that was asked to stop and can go on (EX_TEMPFAIL)

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration, with a variant after a colon: configs/w300.py:small."
)
_MODE = flags.DEFINE_enum("mode", "train", ["train", "evaluate", "predict"], "What to do.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/<name of the configuration> by default."
)
_DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "evaluate: another dataset, if need be with landmarks converted.",
)
_SPLIT = flags.DEFINE_list(
    "split", [], "evaluate: TFDS splits, separated by commas; the test splits by default."
)
_IMAGES = flags.DEFINE_list("images", [], "predict: picture files, folders or patterns, separated by commas.")
_OUT = flags.DEFINE_string("out", "predictions", "predict: folder of the results.")
_BOXES = flags.DEFINE_string("boxes", None, "predict: a .json file with face boxes for each picture.")
_WHOLE_IMAGE = flags.DEFINE_bool("whole-image", False, "predict: each picture is one face, no detection.")

_DEVICE = flags.DEFINE_enum(
    "device", None, ["cpu", "gpu", "tpu"], "What computes; the fastest that JAX finds by default."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "Several processes: HOST:PORT of process 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Several processes: how many.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Several processes: which one this is, from 0.")


def main(arguments: Sequence[str]) -> int:
    """Runs the mode that the flags name; returns the exit code."""
    if len(arguments) > 1:
        return _refuse(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    from dsat_jax import distributed

    try:
        distributed.start(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
        _choose_device()
        with distributed.lost_processes_named():
            return MODES[_MODE.value]()
    except (ValueError, OSError) as error:
        if logging.level_debug():
            raise
        return distributed.leave(_refuse(str(error)))


def _choose_device() -> None:
    import jax

    if _DEVICE.value is None:
        return
    jax.config.update("jax_platforms", _DEVICE.value)
    try:
        jax.devices()
    except RuntimeError as error:
        raise ValueError(f"--device={_DEVICE.value}: JAX cannot use one here ({error})") from error


def _train() -> int:
    from dsat_jax import datasets, distributed, evaluate, train

    if _CONFIG.value is None:
        raise ValueError("--mode=train needs --config, for example --config=configs/synthetic.py")
    datasets.build_if_generated(_CONFIG.value)
    workdir = pathlib.Path(_WORKDIR.value or f"runs/{_CONFIG.value.name}")
    with distributed.stop_on_signals() as should_stop:
        finished = train.train(_CONFIG.value, workdir, should_stop) is not None
    if finished:
        evaluate.evaluate_run(workdir)
    return 0 if finished else STOPPED


def _evaluate() -> int:
    from dsat_jax import evaluate

    evaluate.evaluate_run(_run_folder(), _DATASET.value, _SPLIT.value)
    return 0


def _predict() -> int:
    import jax

    from dsat_jax import predict

    if jax.process_count() > 1:
        raise ValueError("--mode=predict is for one process: start it without the others")
    predict.predict_files(
        _run_folder(), _IMAGES.value, pathlib.Path(_OUT.value), _BOXES.value, _WHOLE_IMAGE.value
    )
    return 0


def _run_folder() -> pathlib.Path:
    if _CONFIG.value is not None:
        raise ValueError(
            f"--mode={_MODE.value} reads the configuration in the run's folder: leave --config out"
        )
    if not _WORKDIR.value:
        raise ValueError(f"--mode={_MODE.value} needs --workdir=RUN, the folder of a trained run")
    folder = pathlib.Path(_WORKDIR.value)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--workdir={folder} is no folder, expected that of a trained run")
    return folder


MODES = {"train": _train, "evaluate": _evaluate, "predict": _predict}


def _refuse(message: str) -> int:
    """Says in one line what cannot be done; returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return 1


def _parse_flags(arguments: Sequence[str]) -> Sequence[str]:
    """Parses the command line; whatever is wrong with it, or with the configuration, ends the program."""
    try:
        remaining = flags.FLAGS(arguments)
        if flags.FLAGS["config"].present:
            _check_config()
    except (flags.Error, ValueError, OSError) as error:
        sys.exit(_refuse(_in_one_line(str(error))))
    except Exception as error:
        # a configuration is a program, and an override a path into it: both fail in any way
        sys.exit(_refuse(_locate(error, arguments) or _misfit(error, arguments)))
    return remaining


def _check_config() -> None:
    """Raises what kept the configuration from being loaded, and what is wrong with its fields."""
    getattr(_CONFIG.value, "name", None)
    from dsat_jax import config

    config.check(_CONFIG.value, config_flags.get_config_filename(flags.FLAGS["config"]))


def _in_one_line(report: str) -> str:
    """The cause in a report of absl, or of ml_collections, which holds a whole traceback."""
    first, *others = report.strip().splitlines()
    if not others:
        return first.removeprefix("Configuration is not available because of an earlier failure to load: ")
    flag, reported, _ = first.partition(": Error whilst parsing config file:")
    cause = others[-1].strip().removeprefix("ValueError: ")
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
    """The override that asks for a field that the configuration does not have."""
    # ml_collections begins with the field's name, in several kinds of quotation marks.
    word = re.search(r"\w+", str(error)) if isinstance(error, AttributeError | KeyError) else None
    named = [argument for argument in arguments if word and f".{word[0]}" in argument]
    if named:
        return f"the configuration has no field {word[0]!r}, asked for by {' '.join(named)}"
    overrides = [argument for argument in arguments if argument.startswith(("-config.", "--config."))]
    return f"the configuration does not have the fields of {' '.join(overrides)}"


if __name__ == "__main__":
    app.run(main, flags_parser=_parse_flags)
