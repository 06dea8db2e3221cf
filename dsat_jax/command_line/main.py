"""Face landmarks: trains, evaluates, predicts, exports and compares runs.

python run.py --config=configs/synthetic.py
    trains, evaluates on the test splits at the end, and writes everything to runs/synthetic; the same command continues
    an interrupted run
python run.py --config=configs/w300.py:lotr-small --config.train.batch_size=64 --workdir=runs/mine
    a variant of a configuration, with one field changed; dsat_jax/config/defaults.py explains every field
python run.py evaluate --workdir=runs/mine --dataset=wflw --split=test
    writes metrics.json, faces.csv and report.html, for the run's own test splits unless --split names others
python run.py predict photos/*.jpg film.mp4 --out=predictions
    predicts landmarks of images and videos with a shipped network, or with a trained one given by --workdir=runs/mine
python run.py predict camera:0 --show
    follows the faces of a camera, and shows them on a page at http://127.0.0.1:8000
python run.py export --workdir=runs/mine --out=mine.export
    writes one file with network and weights for dsat_jax.load_exported; --out=mine.onnx writes ONNX, and
    --out=mine.safetensors writes the weights alone
python run.py compare runs/mine runs/synthetic --out=comparison
    compares evaluated runs
python run.py plan --config=configs/w300.py --topology=v5e:4x4
    predicts memory and speed of a configuration on TPUs or an H100 that are not attached, by compiling it for them

The first word is the mode; --mode=predict selects it as well, and train is the default.
"""

import os
import pathlib
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from dsat_jax.command_line import parsing, prediction
from dsat_jax.errors import UserError
from dsat_jax.files import locations

INTERRUPTED = 130  # exit code that shells use for SIGINT
STOPPED = 75  # exit code of a run that stopped on request and can be continued (EX_TEMPFAIL)
BROKEN_PIPE = 141  # exit code that shells use for SIGPIPE

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "train, benchmark, plan: configuration file, or the name of one in configs/, with a variant after a colon: "
    "configs/w300.py:small, w300:small.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Run folder, local or gs://BUCKET/RUN. Default for training: runs/<name of the configuration>.",
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "evaluate, predict, export: name of a shipped network, .safetensors file or run folder, instead of --workdir.",
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "evaluate: another dataset; its landmarks are converted to the run's scheme."
)
_SPLIT = flags.DEFINE_list(
    "split", [], "evaluate: TFDS splits, separated by commas. Default: the test splits."
)
_SCHEME = flags.DEFINE_string(
    "scheme",
    None,
    "evaluate, predict, export: landmarks of a network that was trained on several schemes. Default: its first scheme; "
    "evaluate: that of the dataset.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "evaluate: root folder of the built datasets. Default: the run's."
)
_NORMALISER = flags.DEFINE_list(
    "normaliser",
    [],
    "evaluate: what the errors are divided by: inter_ocular, inter_pupil, box_diagonal, box_size or landmark_box_size; "
    "several, separated by commas, give a table each. Default: the run's.",
)
_THRESHOLD = flags.DEFINE_float(
    "failure_threshold",
    None,
    "evaluate: NME threshold of FR and AUC, a share of the normaliser. Default: the run's.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "evaluate, predict, compare: folder of the results. Default: the run, predictions, comparison. export: file to "
    "write. Default: network.export in the run folder, or in the current one for --weights. benchmark, plan: file to "
    "write. Default: benchmark.json, plan.json.",
)
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "plan: chip and shape of the accelerators, such as v5e:4x4, v5p:2x2x1 or h100:8."
)
_DEVICE = flags.DEFINE_enum(
    "device", None, ["cpu", "gpu", "tpu"], "Type of device. Default: the fastest that JAX finds."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "Several processes: HOST:PORT of process 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Several processes: their number.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Several processes: index of this one, from 0.")

MODES_OF_FLAGS = {
    "config": ("train", "benchmark", "plan"),  # all other modes read the configuration in the run folder
    "workdir": ("train", "evaluate", "predict", "export"),
    "weights": ("evaluate", "predict", "export"),
    "dataset": ("evaluate",),
    "split": ("evaluate",),
    "data_dir": ("evaluate",),
    "normaliser": ("evaluate",),
    "failure_threshold": ("evaluate",),
    "scheme": ("evaluate", "predict", "export"),
    "out": ("evaluate", "predict", "export", "compare", "benchmark", "plan"),
    "topology": ("plan",),
    "device": ("train", "evaluate", "predict", "export", "compare", "benchmark"),
    **dict.fromkeys(prediction.FLAGS, ("predict",)),
}
MODES_WITH_WORDS = ("predict", "compare")  # words after the mode are images, and folders


def main(arguments: Sequence[str]) -> int:
    """Runs the mode that the flags name; returns the exit code."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
        logging.get_absl_handler().setFormatter(parsing.Notices())
    from dsat_jax.runtime import compilation_cache, devices, host_memory, processes

    compilation_cache.keep()
    if _MODE.value in ("train", "benchmark"):
        host_memory.keep_freed()
    try:
        words = parsing.take_mode(arguments[1:], MODES)
        if words and _MODE.value not in MODES_WITH_WORDS:
            raise UserError(f"unexpected arguments: {' '.join(words)}")
        parsing.check_used(_MODE.value, MODES_OF_FLAGS)
        if _MODE.value == "plan":
            from dsat_jax.runtime import topologies

            topologies.use_cpu()
        devices.choose(_DEVICE.value)
        processes.start(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
        devices.check(_DEVICE.value)
        with processes.lost_processes_named():
            return MODES[_MODE.value](words)
    except KeyboardInterrupt:
        parsing.refuse("interrupted")
        return processes.leave(INTERRUPTED)
    except BrokenPipeError:  # the program that reads the output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        return processes.leave(BROKEN_PIPE)
    except (UserError, OSError) as error:
        if logging.level_debug():
            raise
        return processes.leave(parsing.refuse(str(error)))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in parsing.TRAINING_PACKAGES:
            raise
        message = (
            f"--mode={_MODE.value} needs {error.name}, which is not installed: pip install 'dsat_jax[train]'"
        )
        return processes.leave(parsing.refuse(message))
    except Exception as error:
        if (message := locations.failure(error)) is None or logging.level_debug():
            raise
        return processes.leave(parsing.refuse(message))


def _train(_: Sequence[str]) -> int:
    import jax

    from dsat_jax.evaluation import evaluate
    from dsat_jax.runtime import processes
    from dsat_jax.training import loop, recorder

    # A bucket that does not exist is found before anything is drawn.
    workdir = _WORKDIR.value and locations.reach(_WORKDIR.value)
    config = _config()
    workdir = workdir or locations.reach(f"runs/{config.name}")
    with processes.stop_on_signals() as should_stop:
        finished = loop.train(config, workdir, should_stop) is not None
    if finished:
        summaries = evaluate.evaluate_run(workdir)
        if jax.process_index() == 0:
            recorder.add_test_figures(workdir, config.train.steps, summaries)
    return 0 if finished else STOPPED


def _evaluate(_: Sequence[str]) -> int:
    from dsat_jax.evaluation import evaluate
    from dsat_jax.evaluation.choices import Choices

    evaluate.evaluate_run(
        _network(),
        Choices(
            dataset=_DATASET.value,
            splits=_SPLIT.value,
            scheme=_SCHEME.value,
            data_dir=_DATA_DIR.value,
            normalisers=_NORMALISER.value,
            threshold=_THRESHOLD.value,
            out=_OUT.value and locations.reach(_OUT.value),
        ),
    )
    return 0


def _predict(words: Sequence[str]) -> int:
    from dsat_jax.weights import zoo

    _check_alone()
    out = locations.locate("predictions" if _OUT.value is None else _OUT.value)
    prediction.predict(_network(zoo.DEFAULT), _SCHEME.value, words, out)
    return 0


def _export(_: Sequence[str]) -> int:
    from dsat_jax.export import exporter

    _check_alone()
    network = _network()
    folder = pathlib.Path() if network.is_file() else network
    exporter.export_run(network, _out(str(folder / "network.export")), _SCHEME.value)
    return 0


def _compare(folders: Sequence[str]) -> int:
    from dsat_jax.evaluation import comparison

    _check_alone()
    comparison.compare_runs([locations.reach(folder) for folder in folders], _out("comparison"))
    return 0


def _benchmark(_: Sequence[str]) -> int:
    from dsat_jax.training import benchmark

    _check_alone()
    benchmark.benchmark(_config(), _out("benchmark.json"))
    return 0


def _plan(_: Sequence[str]) -> int:
    from dsat_jax.training import plan

    _check_alone()
    if _CONFIG.value is None or _TOPOLOGY.value is None:
        raise UserError(
            "--mode=plan needs --config and --topology, for example --config=configs/synthetic.py --topology=v5e:2x2"
        )
    plan.plan(_CONFIG.value, _TOPOLOGY.value, _out("plan.json"))
    return 0


def _config() -> ConfigDict:
    """Returns the configuration; generated datasets are built first, if a training step can be made for them."""
    from dsat_jax.data import datasets, mixture
    from dsat_jax.training import rehearsal

    if _CONFIG.value is None:
        raise UserError(f"--mode={_MODE.value} needs --config, for example --config=configs/synthetic.py")
    rehearsal.check_names(_CONFIG.value)
    alone = list(mixture.each_alone(_CONFIG.value))
    if any(map(datasets.must_be_drawn, alone)):
        rehearsal.rehearse(_CONFIG.value)
    for each in alone:
        datasets.build_if_generated(each)
    return _CONFIG.value


def _out(default: str) -> pathlib.Path:
    """Returns the file or folder that --out names, or the default."""
    return locations.reach(default if _OUT.value is None else _OUT.value)


def _check_alone() -> None:
    import jax

    if jax.process_count() > 1:
        raise UserError(
            f"--mode={_MODE.value} runs in one process, found {jax.process_count()}: start it without --num_processes"
        )


def _network(default: str | None = None) -> pathlib.Path:
    """Returns the run folder or weights file that the flags name.

    Args:
      default: name of the shipped network to use if the flags name none; without a default that is an error.
    """
    from dsat_jax.weights import zoo

    for flag in (_WORKDIR, _WEIGHTS):
        if flag.value == "":
            raise UserError(f"--{flag.name} is empty, expected the name of a network")
    if _WORKDIR.value is not None and _WEIGHTS.value is not None:
        raise UserError("--workdir and --weights exclude each other: each names a network")
    name = default if _WEIGHTS.value is None else _WEIGHTS.value
    if _WORKDIR.value is None and name is not None:
        return zoo.find(name)
    if _WORKDIR.value is None:
        shipped = "|".join(zoo.PRETRAINED)
        raise UserError(
            f"--mode={_MODE.value} needs --workdir=RUN, the folder of a trained run, or --weights={shipped}"
        )
    folder = locations.reach(_WORKDIR.value)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--workdir={folder} is not a folder, expected that of a trained run")
    return folder


MODES = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "compare": _compare,
    "benchmark": _benchmark,
    "plan": _plan,
}
_MODE = flags.DEFINE_enum("mode", "train", list(MODES), "Mode to run.")


def run() -> None:
    """Parses the flags of the command line, runs their mode, and ends the process with its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # an encoding may lack a character of a file name
    sys.modules[
        "__main__"
    ].__doc__ = __doc__  # absl prints it above the flags; installed commands have no docstring
    for module in (__name__, prediction.__name__):  # otherwise `--help` shows only the script's flags
        for flag in flags.FLAGS.flags_by_module_dict()[module]:
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(main, flags_parser=parsing.parse)
