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

from dsat_jax import checkpoints, config as run_config

LOCK_FILE = ".training.lock"
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
        started = checkpoints.any_in(workdir)
        differing = run_config.differences(run_config.load(workdir), config) if started else []
        if differing:
            raise ValueError(
                f"{workdir} holds a run of another configuration ({'; '.join(differing)}): give another --workdir, or "
                "delete that folder"
            )
        if jax.process_index() == 0:
            run_config.save(config, workdir)
        multihost_utils.sync_global_devices("the configuration is in the run's folder")
        _wait_for(workdir / run_config.FILE_NAME)
        yield


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
            raise ValueError(
                f"process {jax.process_index()} does not see {path}, which process 0 has written: --workdir must lie "
                "where all processes see it"
            )
        time.sleep(0.5)
