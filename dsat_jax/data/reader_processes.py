"""Processes that make training batches, for devices that are faster than the reader threads of one process.

The processes are plain `python -m dsat_jax.data.reader_processes` children, which write pickled batches to a pipe. They
are not forked, since JAX's threads do not survive a fork. Unlike those of Grain's `mp_prefetch`, they do not import the
caller's `__main__` again, use no shared memory (a container has 64 MB), and end with this process even if it is killed.
"""

import collections
import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any, BinaryIO

import cv2
import grain.python as grain

_READ_AHEAD = 8  # batches in this process; each reader process holds another one
_STOPS = (signal.SIGINT, signal.SIGTERM)
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",  # Grain imports JAX; all other devices belong to the training
    "OMP_NUM_THREADS": "1",  # the processes share the cores
    "OPENBLAS_NUM_THREADS": "1",
}


def read(batches: grain.MapDataset, processes: int) -> Iterator[Any]:
    """Yields the elements of an endless dataset in order; process i of n makes the elements i, i + n, i + 2n, ...

    The processes start with the first element, and end when the iterator is closed, at an error, or with this process.

    Args:
      batches: dataset without an end, which can be pickled.
      processes: number of processes, at least one.

    Raises:
      OSError: if a process ends by itself. Errors in a process are raised here, with their type and message.
    """
    with contextlib.ExitStack() as opened:
        readers = [opened.enter_context(_start()) for _ in range(processes)]
        thread = opened.enter_context(futures.ThreadPoolExecutor(1))
        opened.callback(_end, readers, thread)
        for first, reader in enumerate(readers):
            with contextlib.suppress(BrokenPipeError), reader.stdin:  # `_receive` reports that it has ended
                pickle.dump(batches[first::processes], reader.stdin)
        turns = itertools.cycle(readers)
        ahead = collections.deque(thread.submit(_receive, next(turns)) for _ in range(_READ_AHEAD))
        while True:
            batch = ahead.popleft().result()
            ahead.append(thread.submit(_receive, next(turns)))
            yield batch


def _start() -> subprocess.Popen:
    """Starts a process that runs `main`."""
    environment = os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, "-P", "-m", "dsat_jax.data.reader_processes"]
    # The process inherits the block. Otherwise a Ctrl-C would end it before it ignores stop signals.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(readers: Sequence[subprocess.Popen], thread: futures.ThreadPoolExecutor) -> None:
    """Kills the reader processes, so that the thread no longer waits for one."""
    thread.shutdown(wait=False, cancel_futures=True)
    for reader in readers:
        reader.kill()


def _receive(reader: subprocess.Popen) -> Any:
    try:
        received = pickle.load(reader.stdout)
    except (EOFError, pickle.UnpicklingError) as error:  # the output has ended, at or within a batch
        raise OSError(
            f"a reader process ended with exit code {reader.wait()}, expected it to run until the end of the training; "
            "if memory was short, lower config.train.reader_processes"
        ) from error
    if isinstance(received, Exception):
        raise received
    return received


def main() -> None:
    """Reads a pickled dataset from standard input, and writes its elements or an error to standard output."""
    # Terminals and SLURM send stop signals to all processes. The training decides how many batches it still needs.
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    cv2.setNumThreads(1)
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # nothing that a library prints gets between the batches
        for batch in _batches_or_error(sys.stdin.buffer):
            pickle.dump(batch, out, protocol=5)
            out.flush()


def _batches_or_error(file: BinaryIO) -> Iterator[Any]:
    try:
        batches = pickle.load(file)
        for index in itertools.count():
            yield batches[index]
    except Exception as error:
        error.add_note(f"in a reader process: {traceback.format_exc()}")
        yield error


if __name__ == "__main__":
    main()
