"""Means of a run's scalars between two log lines, and the watch over its loss."""

import time

import jax
import numpy as np
from absl import logging

from dsat_jax.recorder import Recorder

Scalars = dict[str, jax.Array]


class TrainingDivergedError(ValueError):
    """A loss or a gradient is no longer a finite number."""


class Meter:
    """Collects the scalars of every step and reports their means, one interval late, so that the device never waits.

    Args:
      recorder: where the means go.
      batch_size: images of a step.
    """

    def __init__(self, recorder: Recorder, batch_size: int):
        self._recorder = recorder
        self._batch_size = batch_size
        self._current: list[Scalars] = []
        self._ended: tuple[int, list[Scalars], float] | None = None
        self._seconds = 0.0  # of the current interval, up to its last pause
        self._since = time.monotonic()

    def add(self, scalars: Scalars) -> None:
        """Takes the scalars of a step: loss, gradient_norm, learning_rate, pixel_error, damaged and any others."""
        self._current.append(scalars)

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
        values = jax.tree.map(lambda *scalars: np.array(scalars), *fetched)
        damaged = values.pop("damaged").sum()
        if damaged:
            logging.warning("%d damaged training images skipped up to step %d", damaged, step)
        means = {name: float(value.mean()) for name, value in values.items()}
        rate = len(interval) * self._batch_size / seconds
        self._recorder.scalars(step, {**means, "damaged": float(damaged), "images_per_second": rate})
        shown = {
            "loss": f"{means['loss']:.4g}",
            "px": f"{means['pixel_error']:.2f}",
            "images/s": f"{rate:.0f}",
        }
        self._recorder.progress(step, shown)

    def _check(self, last_step: int, fetched: list[dict[str, np.ndarray]]) -> None:
        for back, scalars in enumerate(reversed(fetched)):
            for name in ("loss", "gradient_norm"):
                if not np.isfinite(scalars[name]):
                    raise TrainingDivergedError(
                        f"the {name.replace('_', ' ')} of step {last_step - back} is {scalars[name]} (learning rate "
                        f"{scalars['learning_rate']:.3g}); it was not saved"
                    )
