"""Draws many faces on all cores, in order.

The processes are plain `python -m tfds_builders.synthetic_faces.workers` children: nothing is forked, since
the parent may run JAX's threads, and the parent's `__main__` is not imported again, as multiprocessing's
spawn would.
"""

import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Iterator

import cv2

from tfds_builders.synthetic_faces.drawing import Drawing, draw_face

_ROOT = pathlib.Path(__file__).resolve().parents[2]  # the folder that holds the package tfds_builders
_WORTH_A_PROCESS = 100  # faces; fewer are drawn faster than a process starts


def draw_faces(seed: int, split: int, count: int, processes: int | None = None) -> Iterator[Drawing]:
    """Draws the faces 0 .. count - 1 of a split.

    Args:
      seed: of the dataset.
      split: number of the split.
      count: number of faces.
      processes: number of processes that draw; 0 draws in this one; None takes one per core, or 0 where there
        are few faces. The faces do not depend on it.

    Yields:
      The drawings in order.

    Raises:
      RuntimeError: if a drawing process ends early; its own message is on standard error.
    """
    if processes is None:
        processes = min(os.cpu_count() or 1, count // _WORTH_A_PROCESS)
    if processes == 0:
        for index in range(count):
            yield draw_face(seed, split, index)
        return
    workers = [_start(seed, split, first, count, processes) for first in range(processes)]
    try:
        for index in range(count):
            yield _next_drawing(workers[index % processes], index)
    finally:
        for worker in workers:
            worker.stdout.close()
            worker.kill()
            worker.wait()


def _start(*arguments: int) -> subprocess.Popen:
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "tfds_builders.synthetic_faces.workers", *map(str, arguments)]
    # The processes are the parallelism: threads inside of NumPy's small products would only spin.
    settings = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | settings)


def _next_drawing(worker: subprocess.Popen, index: int) -> Drawing:
    try:
        return pickle.load(worker.stdout)
    except EOFError as error:
        raise RuntimeError(
            f"the process that draws face {index} ended with status {worker.wait()}"
        ) from error


def main(seed: int, split: int, first: int, count: int, step: int) -> None:
    """Writes the drawings first, first + step, ... below count to standard output, pickled."""
    cv2.setNumThreads(0)
    for index in range(first, count, step):
        pickle.dump(draw_face(seed, split, index), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
