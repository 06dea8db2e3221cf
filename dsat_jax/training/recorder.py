"""What a run leaves on disk and on the screen while it trains: metrics.jsonl, TensorBoard events, a progress bar."""

import contextlib
import json
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tqdm
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from dsat_jax.files import atomic_files

METRICS_LOG = "metrics.jsonl"


class Recorder:
    """Writes scalars and pictures of a run, and shows its progress.

    Args:
      workdir: the run's folder.
      start_step: the step from which the run goes on; later lines of an interrupted run are dropped.
      steps: of the whole run.
      active: False on all processes but one, where every call does nothing.
    """

    def __init__(self, workdir: pathlib.Path, start_step: int, steps: int, active: bool):
        self._active = active
        if not active:
            return
        path = workdir / METRICS_LOG
        kept = (
            [line for line in path.read_text().splitlines() if _step(line) <= start_step]
            if path.exists()
            else []
        )
        atomic_files.write_text(path, "".join(f"{line}\n" for line in kept))
        self._log = path.open("a")
        # Without tensorboardX's own thread, whose end on a full disk would hold up whoever waits for its queue.
        self._events = EventsWriter(str(workdir / "events"))
        start = SessionLog(
            status=SessionLog.START
        )  # hides what an interrupted run has written of later steps
        self._write(Event(step=start_step + 1, session_log=start))
        self._bar = tqdm.tqdm(total=steps, initial=start_step, unit="step", dynamic_ncols=True)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line to metrics.jsonl and a point to every curve.

        Raises:
          OSError: if they cannot be written: no space left, for example.
        """
        if not self._active:
            return
        with _named(self._log.name):
            self._log.write(json.dumps({"step": step, **values}) + "\n")
            self._log.flush()
        points = [value for name, scalar in values.items() for value in summary.scalar(name, scalar).value]
        self._write(Event(step=step, wall_time=time.time(), summary=Summary(value=points)))

    def progress(self, step: int, shown: Mapping[str, Any]) -> None:
        """Moves the bar to a step and shows values beside it."""
        if self._active:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(step - self._bar.n)

    def message(self, line: str) -> None:
        """Prints a line above the bar."""
        if self._active:
            self._bar.write(line)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Adds a picture, uint8 [height, width, 3], to the events."""
        if self._active:
            shown = summary.image(name, image, dataformats="HWC")
            self._write(Event(step=step, wall_time=time.time(), summary=shown))

    def close(self) -> None:
        """Ends the bar and the files."""
        if self._active:
            self._bar.close()
            for file in (self._events, self._log):
                with contextlib.suppress(
                    OSError
                ):  # of a line that could not be written, which was raised then
                    file.close()

    def _write(self, event: Event) -> None:
        with _named("the TensorBoard events"):
            self._events.write_event(event)
            self._events.flush()


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Says of which file an error is."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{file} cannot be written: {error.strerror}") from error


def _step(line: str) -> int:
    """The step of a line of metrics.jsonl; a line cut off by a crash counts as later than every step."""
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return np.iinfo(np.int64).max
