"""The run folder in training: it belongs to one run with one configuration, and all processes see it."""

import contextlib
import pathlib
import shlex
import time
from collections.abc import Iterator, Sequence

import jax
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from dsat_jax.checkpoints import manager
from dsat_jax.config import CONFIG_FILE, differences, load_config, save_config
from dsat_jax.config.mixture_entries import dataset_names
from dsat_jax.errors import UserError
from dsat_jax.training import run_lock

README_FILE = "README.txt"
_README = """A run of dsat_jax: {model} on {dataset}, {steps} steps.

config.json       the configuration, every field
checkpoints/      one folder per step: the newest two, and the best on validation, which all other commands use
metrics.jsonl     loss, pixel error, learning rate, images per second ... by step; the events.* files for TensorBoard
samples.png       landmarks (green) and predictions (red) on the first faces of the latest evaluation
report.html       the evaluation on the test splits, after the last step; metrics.json and faces.csv hold its figures,
                  ced.png its curve; its images are the dataset's, under the dataset's terms of use

The command that trained this run continues it from the newest checkpoint. Other commands:

python run.py --mode=evaluate --workdir={workdir}
python run.py --mode=predict --workdir={workdir} --images=IMAGES
python run.py --mode=export --workdir={workdir} --out=FILE
"""
_LONGER = " and --config.train.start_from={}: a run has the steps for which its learning rate was planned"
_SEEN_WITHIN = 60.0  # seconds; a network file system may show a new file late


@contextlib.contextmanager
def claimed(workdir: pathlib.Path, config: ConfigDict) -> Iterator[None]:
    """Creates the folder of a run, writes its configuration, and locks it against other runs.

    All processes of the run must enter this context.

    Args:
      workdir: run folder.
      config: run's configuration. Once the folder contains a checkpoint, only `config.CHANGEABLE_FIELDS` may differ
        from the configuration in the folder.

    Raises:
      UserError: if the folder contains a run of another configuration, or if this process does not see the files that
        process 0 has written.
      OSError: if another process trains in the folder.
    """
    with run_lock.locked(workdir) if jax.process_index() == 0 else contextlib.nullcontext():
        if jax.process_index() != 0:
            run_lock.wait_for_holder(workdir)
        started = manager.any_in(workdir)
        differing = differences(load_config(workdir), config) if started else []
        if differing:
            raise UserError(
                f"{workdir} contains a run of another configuration ({'; '.join(differing)}): give another --workdir"
                f"{_LONGER.format(shlex.quote(str(workdir))) if _only_steps(differing) else ', or delete that folder'}"
            )
        if jax.process_index() == 0:
            save_config(config, workdir)
            if not started:
                _describe(workdir, config)
        multihost_utils.sync_global_devices("the configuration is in the run's folder")
        _wait_for(workdir / CONFIG_FILE)
        yield


def _only_steps(differing: Sequence[str]) -> bool:
    """Returns whether the number of steps is the only difference between two configurations."""
    return len(differing) == 1 and differing[0].startswith("train.steps")


def _describe(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Writes the folder's README, which describes its files."""
    facts = {"model": config.model.name, "dataset": dataset_names(config), "steps": config.train.steps}
    (workdir / README_FILE).write_text(
        _README.format(**facts, workdir=shlex.quote(str(workdir))), encoding="utf-8"
    )


def _wait_for(path: pathlib.Path) -> None:
    deadline = time.monotonic() + _SEEN_WITHIN
    while not path.is_file():
        if time.monotonic() > deadline:
            raise UserError(
                f"process {jax.process_index()} does not see {path}, which process 0 has written: --workdir must be a "
                "folder that all processes see"
            )
        time.sleep(0.5)
