"""Outlines: smooth curves through points, ribbons around them, circles."""

import functools

import numpy as np


@functools.cache
def _curve_weights(count: int, closed: bool, per_segment: int) -> np.ndarray:
    """Catmull-Rom weights of `count` points on the curve through them: float64 [curve points, count]."""
    t = np.arange(per_segment) / per_segment
    basis = (
        np.stack(
            [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], axis=1
        )
        / 2
    )
    segments = count if closed else count - 1
    weights = np.zeros((segments, per_segment, count))
    for segment in range(segments):
        for k in range(4):
            point = segment + k - 1
            point = point % count if closed else min(max(point, 0), count - 1)
            weights[segment, :, point] += basis[:, k]
    weights = weights.reshape(-1, count)  # [segments, per_segment, count] -> [curve points, count]
    return weights if closed else np.concatenate([weights, np.eye(count)[-1:]])


def curve(points: np.ndarray, closed: bool = False, per_segment: int = 6) -> np.ndarray:
    """A smooth line through points.

    Args:
      points: [points, dims].
      closed: whether the line returns to the first point.
      per_segment: number of points per segment.

    Returns:
      [points * per_segment, dims] if closed, else [(points - 1) * per_segment + 1, dims].
    """
    return _curve_weights(len(points), closed, per_segment) @ points


def ribbon(line: np.ndarray, widths: np.ndarray | float) -> np.ndarray:
    """Outline [2 * points, 2] of a line [points, 2] with the widths [points] or one width, in pixels."""
    along = np.empty_like(line)
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    half = widths / np.maximum(2 * np.hypot(along[:, 0], along[:, 1]), 1e-9)
    aside = along[:, ::-1] * np.array([-1.0, 1.0]) * half[:, None]
    return np.concatenate([line + aside, (line - aside)[::-1]])


@functools.cache
def circle(points: int = 20) -> np.ndarray:
    """Outline of the unit circle, float64 [points, 2]."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def dot(centre: np.ndarray, radius: float, narrow: float = 1.0) -> np.ndarray:
    """Outline [points, 2] of an ellipse with the vertical radius `radius` and the horizontal one `radius * narrow`."""
    return centre + circle() * (radius * narrow, radius)


@functools.cache
def _bow(count: int, power: float) -> np.ndarray:
    return np.sin(np.linspace(0.03, np.pi - 0.03, count)) ** power


def taper(count: int, width: float, power: float = 0.7) -> np.ndarray:
    """Widths [count] of a line that is `width` wide in the middle and pointed at both ends."""
    return width * _bow(count, power)
