"""Logs of a run in training: metrics.jsonl, TensorBoard events and a progress bar."""

import contextlib
import json
import math
import pathlib
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from dsat_jax.evaluation import split_result
from dsat_jax.files import atomic_files
from dsat_jax.files.growing_files import GrowingFiles
from dsat_jax.runtime import progress

METRICS_LOG = "metrics.jsonl"
_BINS = 30  # of a histogram
_SENT_EVERY = 60.0  # seconds between uploads to a bucket


class Recorder:
    """Writer of a run's scalars and images, with a progress bar.

    Args:
      workdir: run folder.
      start_step: step from which the run continues; later lines of an interrupted run are dropped.
      steps: number of steps of the whole run.
      active: whether this process records; if False, every method does nothing. True in exactly one process of a run.
    """

    def __init__(self, workdir: pathlib.Path, start_step: int, steps: int, active: bool):
        self._active = active
        if not active:
            return
        path = workdir / METRICS_LOG
        self._files = GrowingFiles(workdir)
        kept = (
            [line for line in path.read_text(encoding="utf-8").splitlines() if _step(line) <= start_step]
            if path.exists()
            else []
        )
        path = self._files.folder / METRICS_LOG
        atomic_files.write_text(path, "".join(f"{line}\n" for line in kept))
        self._log = path.open("a", encoding="utf-8")
        # This writer has no thread. If tensorboardX's thread dies on a full disk, everything that waits for it hangs.
        self._events = EventsWriter(str(self._files.folder / "events"))
        # Makes TensorBoard hide the later steps of an interrupted run.
        start = SessionLog(status=SessionLog.START)
        self._write(Event(step=start_step + 1, session_log=start))
        # In a file or a pipe the bar is a line that is written with each line of metrics.jsonl, not with each step.
        interval = {} if progress.is_live() else {"mininterval": math.inf, "maxinterval": math.inf}
        self._bar = progress.progress_bar(total=steps, initial=start_step, unit="step", **interval)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line to metrics.jsonl and a point to every curve.

        Raises:
          OSError: if they cannot be written, for example because the disk is full.
        """
        if not self._active:
            return
        with _named(self._log.name):
            self._log.write(json.dumps({"step": step, **values}) + "\n")
            self._log.flush()
        self.points(step, values)
        self._files.send(after=_SENT_EVERY)

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a point to every curve of the events, but no line to metrics.jsonl."""
        if self._active:
            self._write(_points(step, values))

    def stepped(self, step: int) -> None:
        """Moves the progress bar to a step that was given to the device."""
        if self._active:
            self._bar.update(step - self._bar.n)

    def show(self, shown: Mapping[str, Any]) -> None:
        """Shows values next to the progress bar."""
        if self._active:
            self._bar.set_postfix(shown, refresh=not progress.is_live())

    def waiting(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Names what is done instead of steps until the body ends, see `progress.waiting`."""
        return progress.waiting(self._bar, what) if self._active else contextlib.nullcontext()

    def message(self, line: str) -> None:
        """Prints a line above the progress bar."""
        if self._active:
            self._bar.write(line)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Adds an image, uint8 [height, width, 3] RGB, to the events."""
        if self._active:
            shown = summary.image(name, image, dataformats="HWC")
            self._write(Event(step=step, wall_time=time.time(), summary=shown))

    def text(self, step: int, name: str, lines: str) -> None:
        """Adds a text to the events; it is shown as it is, without Markdown."""
        if self._active:
            indented = "\n".join(f"    {line}" for line in lines.splitlines())
            self._write(Event(step=step, wall_time=time.time(), summary=summary.text(name, indented)))

    def histogram(self, step: int, name: str, values: np.ndarray) -> None:
        """Adds a histogram of values to the events."""
        if self._active:
            shown = summary.histogram(name, values, bins=_BINS)
            self._write(Event(step=step, wall_time=time.time(), summary=shown))

    def choices(self, values: Mapping[str, Any], measured: Collection[str]) -> None:
        """Adds what a run has chosen to the events, for TensorBoard's table of several runs.

        Args:
          values: choices by name; those that are no numbers or truth values become text.
          measured: names of the scalars to which the choices are compared.
        """
        if not self._active:
            return
        plain = {
            name: value if isinstance(value, int | float) else str(value) for name, value in values.items()
        }
        for part in summary.hparams(plain, dict.fromkeys(measured, 0.0)):
            self._write(Event(wall_time=time.time(), summary=part))

    def send(self) -> None:
        """Uploads what is recorded if the run folder is in a bucket.

        A checkpoint must not be complete before the lines of all its steps are in the log: a run that continues from
        it does not record these steps again.
        """
        if self._active:
            self._files.send()

    def close(self) -> None:
        """Closes the progress bar and the files."""
        if self._active:
            self._bar.close()
            for file in (self._events, self._log):
                with contextlib.suppress(OSError):  # already raised when the line could not be written
                    file.close()
            self._files.close()

    def _write(self, event: Event) -> None:
        with _named("the TensorBoard events"):
            self._events.write_event(event)
            self._events.flush()


def add_test_figures(workdir: pathlib.Path, step: int, summaries: Mapping[str, Mapping[str, float]]) -> None:
    """Adds the figures of an evaluation to the TensorBoard events of a finished run: `test/makeup/nme` and so on.

    Args:
      workdir: run folder.
      step: last step of the run.
      summaries: summaries by subset, see `split_result.summarise`.
    """
    files = GrowingFiles(workdir)
    with contextlib.closing(files):
        events = EventsWriter(str(files.folder / "events"))
        with contextlib.closing(events), _named("the TensorBoard events"):
            events.write_event(_points(step, split_result.figures(summaries)))
            events.flush()
        files.send()


def _points(step: int, values: Mapping[str, float]) -> Event:
    """Returns the event with a point of each curve."""
    points = [value for name, scalar in values.items() for value in summary.scalar(name, scalar).value]
    return Event(step=step, wall_time=time.time(), summary=Summary(value=points))


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Adds the name of the file to an OSError."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{file} cannot be written: {error.strerror}") from error


def _step(line: str) -> int:
    """Returns the step of a line of metrics.jsonl; a line cut off by a crash counts as later than all steps."""
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return np.iinfo(np.int64).max
