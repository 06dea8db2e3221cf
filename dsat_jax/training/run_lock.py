"""The lock of a run folder, which one run at a time holds: a locked file, or in a bucket an object that is renewed."""

import contextlib
import json
import os
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from absl import logging

from dsat_jax.files import file_locks, locations

if TYPE_CHECKING:
    import tensorstore

LOCK_FILE = ".training.lock"
_RENEWED_EVERY = 10.0  # seconds
_EXPIRES_AFTER = 30.0  # seconds without a renewal, by the clock of the process that waits
_RELEASED_WITHIN = 10.0  # seconds; without a network, TensorStore would try for minutes


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Creates a run folder and holds its lock.

    Raises:
      OSError: if another process holds the lock.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    if not locations.in_bucket(workdir):
        with _locked_file(workdir):
            yield
        return
    with Lease(_store(workdir), str(workdir), _end_process):
        yield


def wait_for_holder(workdir: pathlib.Path) -> None:
    """Waits in the other processes of a run while process 0 waits for the lock of a killed run to expire.

    The processes would otherwise wait in a collective, which fails after 30 s on CPUs.
    """
    if not locations.in_bucket(workdir):
        return
    store = _store(workdir)
    found = store.read(LOCK_FILE).result()
    if found.state == "value":
        _until_changed(store, found, _EXPIRES_AFTER + 2 * _RENEWED_EVERY)


def _store(workdir: pathlib.Path) -> "tensorstore.KvStore":
    """Returns TensorStore's view of a run folder, which can write an object on the condition that it is unchanged."""
    import tensorstore

    return tensorstore.KvStore.open(f"{workdir}/").result()


def _until_changed(
    store: "tensorstore.KvStore", found: "tensorstore.KvStore.ReadResult", seconds: float
) -> "tensorstore.KvStore.ReadResult":
    """Returns the lock as soon as it is not the one that was found, or after some seconds."""
    deadline = time.monotonic() + seconds
    now = found
    while now.stamp.generation == found.stamp.generation and time.monotonic() < deadline:
        time.sleep(seconds / 60)
        now = store.read(LOCK_FILE).result()
    return now


@contextlib.contextmanager
def _locked_file(workdir: pathlib.Path) -> Iterator[None]:
    """Locks a file of a local folder; the operating system releases the lock when the process ends."""
    with (workdir / LOCK_FILE).open("w") as handle:
        try:
            file_locks.lock(handle, wait=False, advice="do not start another run in it")
        except BlockingIOError:
            raise _held(str(workdir)) from None
        yield


def _held(workdir: str) -> OSError:
    return OSError(f"{workdir}: another process trains this run; wait until it ends, or stop it")


def _end_process(message: str) -> None:
    print(f"\nerror: {message}", file=sys.stderr, flush=True)
    os._exit(1)


class Lease:
    """Context manager that holds the object `LOCK_FILE`, and renews it until the context ends.

    A killed process leaves the object. Its successor takes it over when it has not been renewed for `expires` seconds.
    No clocks are compared: the successor watches the object for that time. All changes are made on the condition that
    the object has the generation that was read, so that only one of several processes succeeds.

    Args:
      store: TensorStore's key-value store of the run folder.
      workdir: name of the run folder, for messages.
      lost: function of a message, called in a thread if another process has taken the object over.
      renewed_every: seconds between renewals.
      expires: seconds without a renewal after which another process may take the object over.
    """

    def __init__(
        self,
        store: "tensorstore.KvStore",
        workdir: str,
        lost: Callable[[str], None],
        renewed_every: float = _RENEWED_EVERY,
        expires: float = _EXPIRES_AFTER,
    ):
        self._store, self._workdir, self._lost = store, workdir, lost
        self._renewed_every, self._expires = renewed_every, expires
        self._ended = threading.Event()

    def __enter__(self) -> None:
        """Writes the object.

        Raises:
          OSError: if another process renews the object, or it cannot be written.
        """
        try:
            self._generation = self._write(self._free_generation())
        except OSError:
            raise
        except Exception as error:  # TensorStore raises several classes, for example without permission
            first = str(error).splitlines()[0]
            raise OSError(f"{self._workdir}: the lock {LOCK_FILE} cannot be written ({first})") from error
        if self._generation is None:
            raise _held(self._workdir)
        self._renewer = threading.Thread(target=self._renew, daemon=True)
        self._renewer.start()

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._renewer.join(_RELEASED_WITHIN)
        try:
            self._store.write(LOCK_FILE, None, if_equal=self._generation).result(timeout=_RELEASED_WITHIN)
        except Exception as error:  # TensorStore raises several classes
            logging.warning("%s: the lock could not be removed, and will expire: %s", self._workdir, error)

    def _free_generation(self) -> bytes:
        """Returns the generation of a missing or expired object; waits for `expires` seconds if there is an object."""
        found = self._store.read(LOCK_FILE).result()
        if found.state != "value":
            return found.stamp.generation
        logging.warning(
            "%s: waiting for %.0f s, since a killed run may have left its lock %s",
            self._workdir,
            self._expires,
            found.value.decode(errors="replace"),
        )
        now = _until_changed(self._store, found, self._expires)
        if now.state == "value" and now.stamp.generation != found.stamp.generation:
            raise _held(self._workdir)
        return now.stamp.generation

    def _write(self, generation: bytes) -> bytes | None:
        """Writes the object if it has a generation; returns the new generation, None if it has another one."""
        owner = {"host": socket.gethostname(), "process": os.getpid(), "renewed": time.strftime("%F %T %z")}
        written = self._store.write(LOCK_FILE, json.dumps(owner).encode(), if_equal=generation).result()
        return written.generation or None

    def _renew(self) -> None:
        while not self._ended.wait(self._renewed_every):
            try:
                generation = self._write(self._generation)
            except Exception as error:  # TensorStore raises several classes; the network may come back
                logging.warning("%s: the lock could not be renewed: %s", self._workdir, error)
                continue
            if generation is None:
                self._lost(f"{self._workdir}: another process has taken over this run; this one stops")
                return
            self._generation = generation
