"""A run's folder while it trains: one run at a time, of one configuration, in a place that all its processes see."""

import contextlib
import fcntl
import pathlib
import time
from collections.abc import Iterator

import jax
from absl import logging
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from dsat_jax.checkpoints import manager
from dsat_jax.config import CONFIG_FILE, differences, load_config, save_config
from dsat_jax.errors import UserError

LOCK_FILE = ".training.lock"
README_FILE = "README.txt"
_README = """A run of dsat_jax: {model} on {dataset}, {steps} steps.

config.json       the configuration, every field
checkpoints/      one folder per step: the newest two, and the best on validation, which all other commands use
metrics.jsonl     loss, pixel error, learning rate, images per second ... by step; the events.* files for TensorBoard
samples.png       landmarks (green) and predictions (red) on the first faces of the latest evaluation
report.html       the evaluation on the test splits, after the last step; metrics.json and faces.csv hold its figures,
                  ced.png its curve; its pictures are the dataset's, and stand under the dataset's terms

The command that trained goes on from the newest checkpoint. The others:

python run.py --mode=evaluate --workdir={workdir}
python run.py --mode=predict --workdir={workdir} --images=PICTURES
python run.py --mode=export --workdir={workdir} --out=FILE
"""
_SEEN_WITHIN = 60.0  # seconds; a network's file system may show a new file late


@contextlib.contextmanager
def claimed(workdir: pathlib.Path, config: ConfigDict) -> Iterator[None]:
    """Makes a folder that of a run with this configuration, and keeps other runs out. All processes must enter it.

    Args:
      workdir: the run's folder.
      config: the run's configuration. Once the folder holds a checkpoint it must be the same but for
        `config.CHANGEABLE_FIELDS`.

    Raises:
      ValueError: if the folder holds a run of another configuration, naming the fields, or if this process does not
        see what process 0 has written there.
      OSError: if another run trains there.
    """
    with _locked(workdir) if jax.process_index() == 0 else contextlib.nullcontext():
        started = manager.any_in(workdir)
        differing = differences(load_config(workdir), config) if started else []
        if differing:
            raise UserError(
                f"{workdir} holds a run of another configuration ({'; '.join(differing)}): give another --workdir, or "
                "delete that folder"
            )
        if jax.process_index() == 0:
            save_config(config, workdir)
            if not started:
                _describe(workdir, config)
        multihost_utils.sync_global_devices("the configuration is in the run's folder")
        _wait_for(workdir / CONFIG_FILE)
        yield


def _describe(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Says in the folder what it holds."""
    facts = {"model": config.model.name, "dataset": config.data.dataset, "steps": config.train.steps}
    (workdir / README_FILE).write_text(_README.format(**facts, workdir=workdir))


@contextlib.contextmanager
def _locked(workdir: pathlib.Path) -> Iterator[None]:
    """Makes a folder and holds a lock there, which the system frees however the process ends."""
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / LOCK_FILE).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(
                f"{workdir}: another process trains this run; wait for its end, or end it"
            ) from None
        except OSError as error:
            logging.warning("%s cannot be locked (%s): start no other run there", workdir, error.strerror)
        yield


def _wait_for(path: pathlib.Path) -> None:
    deadline = time.monotonic() + _SEEN_WITHIN
    while not path.is_file():
        if time.monotonic() > deadline:
            raise UserError(
                f"process {jax.process_index()} does not see {path}, which process 0 has written: --workdir must lie "
                "where all processes see it"
            )
        time.sleep(0.5)
