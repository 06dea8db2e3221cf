"""Means of a run's scalars between two log lines, and the check that its loss is finite."""

import time

import jax
import numpy as np
from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.training.recorder import Recorder

Scalars = dict[str, jax.Array]
_MOST_SKIPPED = 20  # steps in a row; a network whose outputs are no longer finite does not recover


class TrainingDivergedError(UserError):
    """A loss, a gradient or a validation NME is not finite; the state that led to it is not saved."""


class Meter:
    """Collector of the scalars of every step.

    It reports the means of an interval at the next pause or the end of the next interval, so that the device does not
    wait.

    Args:
      recorder: destination of the means.
      batch_size: number of images of a step.
    """

    def __init__(self, recorder: Recorder, batch_size: int):
        self._recorder = recorder
        self._batch_size = batch_size
        self._checked = 0  # the last checked step
        self._skipped = 0  # number of skipped steps in a row, up to the last checked one
        self._current: list[tuple[Scalars, np.ndarray]] = []
        self._ended: tuple[int, list[tuple[Scalars, np.ndarray]], float] | None = None
        self._seconds = 0.0  # duration of the current interval up to its last pause
        self._since = time.monotonic()

    def add(self, scalars: Scalars, records: np.ndarray) -> None:
        """Adds a step.

        Args:
          scalars: scalars of the step by name: loss, gradient_norm, learning_rate, pixel_error, damaged, skipped and
            any others.
          records: int [rows], indices of this process's records in the batch.
        """
        self._current.append((scalars, records))

    def end_interval(self, step: int) -> None:
        """Reports the previous interval, and keeps the one that ends at `step` for the next call."""
        self._report()
        now = time.monotonic()
        self._ended = (step, self._current, self._seconds + now - self._since)
        self._current, self._seconds, self._since = [], 0.0, now

    def pause(self, step: int) -> None:
        """Waits for the device, reports the previous interval, checks all steps so far, and stops the clock.

        Args:
          step: last step taken.

        Raises:
          TrainingDivergedError: if a loss or a gradient is not finite.
        """
        self._report()
        self._check(step, jax.device_get(self._current))
        self._seconds += time.monotonic() - self._since

    def resume(self) -> None:
        """Starts the clock again."""
        self._since = time.monotonic()

    def _report(self) -> None:
        if self._ended is None:
            return
        step, interval, seconds = self._ended
        self._ended = None
        fetched = jax.device_get(interval)
        self._check(step, fetched)
        values = jax.tree.map(lambda *scalars: np.array(scalars), *(scalars for scalars, _ in fetched))
        taken = values.pop("skipped") == 0
        damaged = values.pop("damaged").sum()
        if damaged:
            logging.warning("%d damaged training images skipped up to step %d", damaged, step)
        means = {name: float(value[taken].mean()) for name, value in values.items() if taken.any()}
        rate = len(interval) * self._batch_size / seconds
        counts = {"damaged": float(damaged), "skipped_steps": float((~taken).sum())}
        memory = _device_memory()
        self._recorder.scalars(step, {**means, **counts, **memory, "images_per_second": rate})
        shown = {"images/s": f"{rate:.0f}"}
        if memory:
            shown["GiB"] = f"{memory['device_gib']:.1f}"
        if means:
            shown = {"loss": f"{means['loss']:.4g}", "px": f"{means['pixel_error']:.2f}", **shown}
        self._recorder.show(shown)

    def _check(self, last_step: int, fetched: list[tuple[dict[str, np.ndarray], np.ndarray]]) -> None:
        """Checks the steps that have not been checked before.

        Raises:
          TrainingDivergedError: if a step is not finite and was not skipped, or if too many in a row were skipped.
        """
        for step, (scalars, records) in enumerate(fetched, last_step + 1 - len(fetched)):
            if step <= self._checked:
                continue
            self._checked = step
            wrong = [name for name in ("loss", "gradient_norm") if not np.isfinite(scalars[name])]
            self._skipped = self._skipped + 1 if wrong else 0
            if not wrong:
                continue
            what = (
                f"the {wrong[0].replace('_', ' ')} of step {step} is {scalars[wrong[0]]} (learning rate "
                f"{scalars['learning_rate']:.3g}, records {', '.join(map(str, records))})"
            )
            if not scalars["skipped"]:
                raise TrainingDivergedError(f"{what}; it was not saved")
            if self._skipped == _MOST_SKIPPED:
                raise TrainingDivergedError(
                    f"{what}, like the {_MOST_SKIPPED - 1} steps before it; all were skipped"
                )
            logging.warning("%s: skipped", what)


def _device_memory() -> dict[str, float]:
    """Returns the peak memory of the first device so far, in GiB; an empty dict if the platform does not report it."""
    statistics = jax.local_devices()[0].memory_stats()  # None on CPUs
    return {"device_gib": statistics["peak_bytes_in_use"] / 2**30} if statistics else {}
