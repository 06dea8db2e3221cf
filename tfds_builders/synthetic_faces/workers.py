"""Drawing of many faces on all cores.

The processes are plain `python -m tfds_builders.synthetic_faces.workers` children. They are not forked, since the
parent may have threads of JAX, and they do not import the parent's `__main__` again, as with multiprocessing's spawn.
"""

import contextlib
import itertools
import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence

import cv2

from tfds_builders.synthetic_faces.drawing import Drawing, draw_face

_ROOT = pathlib.Path(__file__).resolve().parents[2]  # the folder that holds the package tfds_builders
_WORTH_A_PROCESS = 100  # faces; fewer are drawn faster than a process starts


def draw_faces(
    seed: int, split: int, indices: Sequence[int], processes: int | None = None, turned: bool = False
) -> Iterator[Drawing]:
    """Draws faces of a split; the drawing processes have ended when the last face is yielded.

    Args:
      seed: seed of the dataset.
      split: number of the split.
      indices: indices of the faces.
      processes: number of drawing processes; 0 draws in this process, None takes one process per core, or 0 if
        there are few faces. The faces do not depend on it.
      turned: whether to draw faces of any yaw.

    Yields:
      The drawings in the order of `indices`.

    Raises:
      RuntimeError: if a drawing process ends early; its message is on standard error.
    """
    if processes is None:
        processes = min(os.cpu_count() or 1, len(indices) // _WORTH_A_PROCESS)
    if processes == 0:
        for index in indices:
            yield draw_face(seed, split, index, turned)
        return
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(seed, split, indices[first::processes], turned))
            for first in range(processes)
        ]
        for index, worker in zip(indices[:-1], itertools.cycle(workers), strict=False):
            yield _next_drawing(worker, index)
        last = _next_drawing(workers[(len(indices) - 1) % processes], indices[-1])
    yield last


@contextlib.contextmanager
def _worker(seed: int, split: int, indices: Sequence[int], turned: bool) -> Iterator[subprocess.Popen]:
    """A process that writes the drawings of some faces to its standard output."""
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "tfds_builders.synthetic_faces.workers"]
    command += [str(seed), str(split), str(int(turned))]
    # One process per core is enough: NumPy's threads would only slow down its small products.
    settings = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=os.environ | settings)
    try:
        with worker.stdin:
            pickle.dump(list(indices), worker.stdin)
        yield worker
    finally:
        worker.stdout.close()
        worker.kill()
        worker.wait()


def _next_drawing(worker: subprocess.Popen, index: int) -> Drawing:
    try:
        return pickle.load(worker.stdout)
    except (EOFError, pickle.UnpicklingError) as error:  # the output has ended, at or within a drawing
        raise RuntimeError(
            f"the process that draws face {index} ended with status {worker.wait()}"
        ) from error


def main(seed: int, split: int, turned: int) -> None:
    """Reads indices of faces from standard input and writes their drawings to standard output, all pickled."""
    cv2.setNumThreads(0)
    for index in pickle.load(sys.stdin.buffer):
        pickle.dump(
            draw_face(seed, split, index, bool(turned)), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL
        )
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
