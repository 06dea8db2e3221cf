"""The process of a measured system: answers the requests of `peers_process.SystemProcess`, one JSON object a line.

The module imports neither JAX nor dsat_jax, because it also runs in the interpreter of the peers.
"""

import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Box = Sequence[float]  # x_min, y_min, x_max, y_max of the landmarks


class System(Protocol):
    """A face detector and its landmarks. Images are of any type that `read` returns."""

    def read(self, path: str) -> Any:
        """Returns the image of a file, without applying its EXIF orientation: the labels do not apply it either."""

    def detect(self, image: Any) -> object:
        """Runs the face detector alone."""

    def find(self, image: Any) -> Any:
        """Returns the landmarks, array [faces, 68, 2] in pixels, of all faces that the system finds."""

    def align(self, image: Any, box: Box) -> Any:
        """Returns the landmarks, array [faces, 68, 2] in pixels, of the face in a box, or of none."""

    def landmarks_only(self, image: Any, box: Box) -> Callable[[], object] | None:
        """Returns a call that computes the landmarks of one face and nothing else; None if no face is found."""


def serve(make: Callable[[], System]) -> None:
    """Answers requests from the standard input until it is closed.

    Args:
      make: constructor of the system.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print to the standard output
    system = make()
    for line in sys.stdin:
        print(json.dumps(_answer(system, json.loads(line))), file=answers, flush=True)


def _answer(system: System, request: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer to a request.

    Args:
      system: system under test.
      request: `task` ('find', 'align' or 'times'), `image` (a path) and, except for 'find', `box`.

    Returns:
      'find', 'align': `faces`, list [faces, 68, 2] in pixels, and `peak_mib`, the peak memory of the process.
      'times': `detector` and `landmarks`, each [wall, processor] milliseconds; `landmarks` is None without a face.
    """
    image = system.read(request["image"])
    if request["task"] == "times":
        call = system.landmarks_only(image, request["box"])
        return {
            "detector": _milliseconds(lambda: system.detect(image)),
            "landmarks": None if call is None else _milliseconds(call),
        }
    faces = system.find(image) if request["task"] == "find" else system.align(image, request["box"])
    return {"faces": faces.tolist(), "peak_mib": _peak_mib()}


def _milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """Returns the wall time and the processor time, over all threads, of a call in milliseconds."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


def _peak_mib() -> float | None:
    """Returns the peak resident memory in MiB; None where the system has no /proc.

    `resource.getrusage` would include the memory of the parent process before the start of this one.
    """
    status = pathlib.Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return None if found is None else int(found[1]) / 1024
