"""The One-Euro filter, which removes jitter from the landmarks of a video.

G. Casiez, N. Roussel, D. Vogel: 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems, CHI 2012.
"""

import dataclasses

import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class OneEuro:
    """Settings of the filter, in units that do not depend on the size of a face.

    Attributes:
      min_cutoff: Hz, cutoff frequency at rest (the paper's f_c_min): the lower, the less jitter.
      beta: Hz per (face size / second), growth of the cutoff with the speed of a landmark: the higher, the less lag.
        The face size is the square root of width times height of the box around the landmarks. (The unit of the
        paper's beta depends on that of the signal.)
      speed_cutoff: Hz, cutoff frequency of the speed itself (the paper's d_cutoff, 1 Hz).

    Raises:
      UserError: if a cutoff is not positive, or beta is negative.
    """

    min_cutoff: float = 1.0
    beta: float = 40.0
    speed_cutoff: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.min_cutoff < np.inf and 0 < self.speed_cutoff < np.inf and 0 <= self.beta < np.inf):
            raise UserError(f"found {self}, expected positive cutoffs and a beta of at least 0")


@dataclasses.dataclass(frozen=True)
class Smoothed:
    """State of the filter for one face.

    Attributes:
      landmarks: float64 [points, 2], smoothed, pixels.
      velocity: float64 [points, 2], smoothed, face sizes per second.
      time: time of the frame in seconds.
    """

    landmarks: np.ndarray
    velocity: np.ndarray
    time: float


def smooth(settings: OneEuro, before: Smoothed | None, landmarks: np.ndarray, time: float) -> Smoothed:
    """Applies one step of the One-Euro filter to the landmarks of one face (Algorithm 1 of the paper).

    Both coordinates of a landmark share a cutoff, which depends on the norm of the velocity. The result is therefore
    independent of the direction of the axes.

    Args:
      settings: settings of the filter.
      before: result of the previous frame; None for the first frame, whose landmarks are returned unchanged.
      landmarks: float [points, 2], pixels.
      time: time of the frame in seconds.

    Returns:
      The state with the smoothed landmarks, to be passed as `before` for the next frame.

    Raises:
      UserError: if the time is not later than that of the previous frame.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if before is None:
        return Smoothed(landmarks, np.zeros_like(landmarks), time)
    period = time - before.time
    if not period > 0:
        raise UserError(f"a frame at {time} s follows one at {before.time} s, expected a later time")
    velocity = (landmarks - before.landmarks) / (period * _face_size(landmarks))
    velocity = _low_pass(velocity, before.velocity, settings.speed_cutoff, period)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)  # [points, 1]
    cutoff = settings.min_cutoff + settings.beta * speed
    return Smoothed(_low_pass(landmarks, before.landmarks, cutoff, period), velocity, time)


def _face_size(landmarks: np.ndarray) -> float:
    """Returns sqrt(width * height) of the box around landmarks [points, 2]; a side counts as at least one pixel."""
    box = geometry.box_of_points(landmarks)
    return float(np.sqrt(np.maximum(box[2:] - box[:2], 1.0).prod()))


def _low_pass(value: np.ndarray, before: np.ndarray, cutoff: np.ndarray | float, period: float) -> np.ndarray:
    """Exponential smoothing (equation 1 of the paper) with the weight that a cutoff frequency in Hz determines.

    The weight of the new value is 1 / (1 + tau / period) with the time constant tau = 1 / (2 pi cutoff).
    """
    weight = 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * period))
    return weight * value + (1 - weight) * before
