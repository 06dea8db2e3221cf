"""What a run leaves on disk and on the screen while it trains: metrics.jsonl, TensorBoard events, a progress bar."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorboardX
import tqdm

METRICS_LOG = "metrics.jsonl"
_EVENTS_QUEUED = 100_000


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
        written = path.with_suffix(".new")
        written.write_text("".join(f"{line}\n" for line in kept))
        written.replace(path)
        self._log = path.open("a")
        # tensorboardX writes in a thread, which a full disk ends; what would then wait in a queue must not hold us up.
        self._events = tensorboardX.SummaryWriter(
            str(workdir), purge_step=start_step + 1, max_queue=_EVENTS_QUEUED
        )
        self._bar = tqdm.tqdm(total=steps, initial=start_step, unit="step", dynamic_ncols=True)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line to metrics.jsonl and a point to every curve.

        Raises:
          OSError: if the line cannot be written: no space left, for example.
        """
        if not self._active:
            return
        try:
            self._log.write(json.dumps({"step": step, **values}) + "\n")
            self._log.flush()
        except OSError as error:
            raise OSError(f"{self._log.name} cannot be written: {error.strerror}") from error
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

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
            self._events.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Ends the bar and the files."""
        if self._active:
            self._bar.close()
            self._events.close()
            self._log.close()


def _step(line: str) -> int:
    """The step of a line of metrics.jsonl; a line cut off by a crash counts as later than every step."""
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return np.iinfo(np.int64).max
