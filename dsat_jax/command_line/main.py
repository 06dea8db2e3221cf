"""Face landmarks: trains, evaluates, predicts, exports and compares runs.

python run.py --config=configs/synthetic.py
    trains, evaluates on the test splits at the end, and leaves all in runs/synthetic; the same command goes on with
    an interrupted run
python run.py --config=configs/w300.py:lotr-m --config.train.batch_size=64 --workdir=runs/mine
    a variant of a configuration, with one field changed; dsat_jax/config.py explains every field
python run.py --mode=evaluate --workdir=runs/mine --dataset=wflw --split=test
    metrics.json, faces.csv and report.html, of the run's own test splits unless others are named
python run.py --mode=predict --images='photos/*.jpg,film.mp4' --out=predictions
    landmarks of pictures and videos, by a network that is shipped; with --workdir=runs/mine by one's own
python run.py --mode=export --workdir=runs/mine --out=mine.export
    one file with network and weights for dsat_jax.load_exported, with --out=mine.onnx for ONNX, or with
    --out=mine.safetensors the weights alone
python run.py --mode=compare runs/mine runs/synthetic --out=comparison
    evaluated runs side by side
"""

import pathlib
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from dsat_jax.command_line import parsing
from dsat_jax.errors import UserError

INTERRUPTED = 130  # exit code, the shell's custom
STOPPED = 75  # exit code of a run that was asked to stop and can go on (EX_TEMPFAIL)

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "train, benchmark: configuration, a file or the name of one in configs/, with a variant after a colon: "
    "configs/w300.py:small, w300:small.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; for training runs/<name of the configuration> by default."
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "evaluate, predict, export: instead of --workdir a shipped network's name, a .safetensors file, or a run's folder.",
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "evaluate: another dataset, if need be with landmarks converted."
)
_SPLIT = flags.DEFINE_list(
    "split", [], "evaluate: TFDS splits, separated by commas; the test splits by default."
)
_IMAGES = flags.DEFINE_list(
    "images", [], "predict: pictures, videos, folders of them or patterns, separated by commas."
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "predict, compare: folder of the results, 'predictions' or 'comparison' by default. export: the file, by default "
    "network.export in the run's folder, or here for weights. benchmark: the file, benchmark.json by default.",
)
_BOXES = flags.DEFINE_string(
    "boxes", None, 'predict: .json file of face boxes: {"a.jpg": [[x_min, y_min, x_max, y_max], ...], ...}.'
)
_WHOLE_IMAGE = flags.DEFINE_bool("whole-image", False, "predict: each picture is one face, no detection.")
_DETECTOR = flags.DEFINE_string(
    "detector", None, "predict: .onnx file of YuNet, to find faces instead of OpenCV's bundled cascade."
)
_SMOOTH = flags.DEFINE_bool("smooth", False, "predict: steady the landmarks of videos by a One-Euro filter.")
_EXPLAIN = flags.DEFINE_bool(
    "explain", False, "predict: draw for each face where the network looks: attention, or heatmaps."
)
_DEVICE = flags.DEFINE_enum(
    "device", None, ["cpu", "gpu", "tpu"], "What computes; the fastest that JAX finds by default."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "Several processes: HOST:PORT of process 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Several processes: how many.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Several processes: which one this is, from 0.")

MODES_OF_FLAGS = {
    "config": ("train", "benchmark"),  # all others read that in the run's folder
    "workdir": ("train", "evaluate", "predict", "export"),
    "weights": ("evaluate", "predict", "export"),
    "dataset": ("evaluate",),
    "split": ("evaluate",),
    "out": ("predict", "export", "compare", "benchmark"),
    **dict.fromkeys(("images", "boxes", "whole-image", "detector", "smooth", "explain"), ("predict",)),
}


# Packages of the extra `train`; inference does without them.
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


def main(arguments: Sequence[str]) -> int:
    """Runs the mode that the flags name; returns the exit code."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    from dsat_jax.runtime import compilation_cache, processes

    compilation_cache.keep()
    try:
        if len(arguments) > 1 and _MODE.value != "compare":
            raise UserError(f"unexpected arguments: {' '.join(arguments[1:])}")
        parsing.check_used(_MODE.value, MODES_OF_FLAGS)
        processes.start(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
        _choose_device()
        with processes.lost_processes_named():
            return MODES[_MODE.value](arguments[1:])
    except KeyboardInterrupt:
        parsing.refuse("interrupted")
        return processes.leave(INTERRUPTED)
    except (UserError, OSError) as error:
        if logging.level_debug():
            raise
        return processes.leave(parsing.refuse(str(error)))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in TRAINING_PACKAGES:
            raise
        message = (
            f"--mode={_MODE.value} needs {error.name}, which is not installed: pip install 'dsat_jax[train]'"
        )
        return processes.leave(parsing.refuse(message))


def _choose_device() -> None:
    import jax

    if _DEVICE.value is None:
        return
    jax.config.update("jax_platforms", _DEVICE.value)
    try:
        jax.devices()
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"--device={_DEVICE.value}: JAX cannot use one here ({first}); README.md says what to install for it"
        ) from error


def _train(_: Sequence[str]) -> int:
    from dsat_jax.data import datasets
    from dsat_jax.evaluation import evaluate
    from dsat_jax.runtime import processes
    from dsat_jax.training import loop

    if _CONFIG.value is None:
        raise UserError("--mode=train needs --config, for example --config=configs/synthetic.py")
    datasets.build_if_generated(_CONFIG.value)
    workdir = pathlib.Path(_WORKDIR.value or f"runs/{_CONFIG.value.name}")
    with processes.stop_on_signals() as should_stop:
        finished = loop.train(_CONFIG.value, workdir, should_stop) is not None
    if finished:
        evaluate.evaluate_run(workdir)
    return 0 if finished else STOPPED


def _evaluate(_: Sequence[str]) -> int:
    from dsat_jax.evaluation import evaluate

    evaluate.evaluate_run(_network(), _DATASET.value, _SPLIT.value)
    return 0


def _predict(_: Sequence[str]) -> int:
    from dsat_jax.inference import predict_files
    from dsat_jax.weights import zoo

    _check_alone()
    options = predict_files.Options(
        boxes=_BOXES.value,
        whole_image=_WHOLE_IMAGE.value,
        detector=_DETECTOR.value,
        smooth=_SMOOTH.value,
        explain=_EXPLAIN.value,
    )
    out = pathlib.Path("predictions" if _OUT.value is None else _OUT.value)
    predict_files.predict_files(_network(zoo.DEFAULT), _IMAGES.value, out, options)
    return 0


def _export(_: Sequence[str]) -> int:
    from dsat_jax.export import exporter

    _check_alone()
    network = _network()
    folder = pathlib.Path() if network.is_file() else network
    exporter.export_run(
        network, folder / "network.export" if _OUT.value is None else pathlib.Path(_OUT.value)
    )
    return 0


def _compare(folders: Sequence[str]) -> int:
    from dsat_jax.evaluation import comparison

    _check_alone()
    out = pathlib.Path("comparison" if _OUT.value is None else _OUT.value)
    comparison.compare_runs([pathlib.Path(folder) for folder in folders], out)
    return 0


def _benchmark(_: Sequence[str]) -> int:
    from dsat_jax.data import datasets
    from dsat_jax.training import benchmark

    _check_alone()
    if _CONFIG.value is None:
        raise UserError("--mode=benchmark needs --config, for example --config=configs/synthetic.py")
    datasets.build_if_generated(_CONFIG.value)
    benchmark.benchmark(_CONFIG.value, pathlib.Path("benchmark.json" if _OUT.value is None else _OUT.value))
    return 0


def _check_alone() -> None:
    import jax

    if jax.process_count() > 1:
        raise UserError(f"--mode={_MODE.value} is for one process: start it without the others")


def _network(default: str | None = None) -> pathlib.Path:
    """The run's folder, or the file of weights, that the flags name; the default is a network that is shipped."""
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
    folder = pathlib.Path(_WORKDIR.value)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--workdir={folder} is no folder, expected that of a trained run")
    return folder


MODES = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "compare": _compare,
    "benchmark": _benchmark,
}
_MODE = flags.DEFINE_enum("mode", "train", list(MODES), "What to do.")


def run() -> None:
    """The command: parses the flags of the command line, runs their mode, and ends the process with its exit code."""
    sys.modules["__main__"].__doc__ = __doc__  # absl prints it above the flags; installed commands have none
    for flag in flags.FLAGS.flags_by_module_dict()[__name__]:  # else `--help` shows those of the script alone
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(main, flags_parser=parsing.parse)
