"""Means of a run's scalars between two log lines, and the watch over its loss."""

import time

import jax
import numpy as np
from absl import logging

from dsat_jax.recorder import Recorder

Scalars = dict[str, jax.Array]


class TrainingDivergedError(ValueError):
    """A loss or a gradient is no longer a finite number; the state that led there is in no checkpoint."""


class Meter:
    """Collects the scalars of every step and reports their means, one interval late, so that the device never waits.

    Args:
      recorder: where the means go.
      batch_size: images of a step.
    """

    def __init__(self, recorder: Recorder, batch_size: int):
        self._recorder = recorder
        self._batch_size = batch_size
        self._current: list[tuple[Scalars, np.ndarray]] = []
        self._ended: tuple[int, list[tuple[Scalars, np.ndarray]], float] | None = None
        self._seconds = 0.0  # of the current interval, up to its last pause
        self._since = time.monotonic()

    def add(self, scalars: Scalars, records: np.ndarray) -> None:
        """Takes what is known of a step.

        Args:
          scalars: loss, gradient_norm, learning_rate, pixel_error, damaged, skipped and any others.
          records: int [rows], which records this process has put into the batch.
        """
        self._current.append((scalars, records))

    def end_interval(self, step: int) -> None:
        """Reports the interval before, and keeps the one that ends at `step` for the next call."""
        self._report()
        now = time.monotonic()
        self._ended = (step, self._current, self._seconds + now - self._since)
        self._current, self._seconds, self._since = [], 0.0, now

    def pause(self, step: int) -> None:
        """Waits for the device, reports and checks all steps so far, and stops the clock.

        Args:
          step: the last one taken.

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
        means = {name: float(value[taken].mean()) for name, value in values.items()}
        rate = len(interval) * self._batch_size / seconds
        counts = {"damaged": float(damaged), "skipped_steps": float((~taken).sum())}
        self._recorder.scalars(step, {**means, **counts, "images_per_second": rate})
        shown = {
            "loss": f"{means['loss']:.4g}",
            "px": f"{means['pixel_error']:.2f}",
            "images/s": f"{rate:.0f}",
        }
        self._recorder.progress(step, shown)

    def _check(self, last_step: int, fetched: list[tuple[dict[str, np.ndarray], np.ndarray]]) -> None:
        """Raises TrainingDivergedError at the first step that is not finite, or if all of them were skipped."""
        first_step = last_step + 1 - len(fetched)
        for step, (scalars, records) in enumerate(fetched, first_step):
            wrong = [name for name in ("loss", "gradient_norm") if not np.isfinite(scalars[name])]
            if not wrong:
                continue
            what = (
                f"the {wrong[0].replace('_', ' ')} of step {step} is {scalars[wrong[0]]} (learning rate "
                f"{scalars['learning_rate']:.3g}, records {', '.join(map(str, records))})"
            )
            if not scalars["skipped"]:
                raise TrainingDivergedError(f"{what}; it was not saved")
            logging.warning("%s: left out", what)
        if fetched and all(scalars["skipped"] for scalars, _ in fetched):
            raise TrainingDivergedError(
                f"none of the steps {first_step} to {last_step} was finite: all were left out"
            )
