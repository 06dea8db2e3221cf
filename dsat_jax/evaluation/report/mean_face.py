"""The error of every landmark, drawn on the mean face."""

import html

import numpy as np

from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Section, number, table
from dsat_jax.evaluation.split_result import SplitResult

_ROUNDS = 5
_SIDE = 400  # of the drawing
_MARGIN = 30
_HARDEST = 10
_TO_INDEX = 19  # from a landmark to its number
_LONGEST = 26  # of the lines of mean offsets, in units of the drawing
# From good to bad, distinct in lightness too, on a light and on a dark page.
_COLOURS = np.array([[64, 145, 220], [70, 190, 160], [235, 190, 60], [235, 110, 60], [200, 40, 90]], float)


def aligned(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean face, by Procrustes analysis over known landmarks.

    Args:
      labels: [faces, points, 2], NaN where unknown.

    Returns:
      The mean face, complex [points] (x + iy), upright as in the pictures, centred, its root mean square distance from
      the centre 1, NaN for landmarks known of no face; the factors [faces] that turn and scale each face to it; and
      which faces were used, bool [faces]: those with at least two known landmarks.
    """
    points = labels[..., 0] + 1j * labels[..., 1]
    known = ~np.isnan(points)
    used = known.sum(axis=1) >= 2
    points, known = np.where(known, points, 0)[used], known[used]
    mean = _normalised(np.where(known, points, np.nan)[known.sum(axis=1).argmax()])
    for _ in range(_ROUNDS):
        reference = np.where(np.isnan(mean), 0, mean)
        both = known & ~np.isnan(mean)
        count = np.maximum(both.sum(axis=1, keepdims=True), 1)
        own_centre = (points * both).sum(axis=1, keepdims=True) / count
        there = (reference * both).sum(axis=1, keepdims=True) / count
        centred = (points - own_centre) * both
        spread = np.maximum((np.abs(centred) ** 2).sum(axis=1), 1e-12)
        factor = (centred.conj() * (reference - there)).sum(axis=1) / spread
        moved = factor[:, None] * (points - own_centre) + there
        seen = known.sum(axis=0)
        total = np.where(known, moved, 0).sum(axis=0)
        mean = _normalised(np.where(seen > 0, total / np.maximum(seen, 1), np.nan))
    # Upright as the pictures are: undo the mean rotation of the faces.
    turn = np.exp(-1j * np.angle((factor / np.maximum(np.abs(factor), 1e-12)).mean()))
    return mean * turn, factor * turn, used


def _normalised(points: np.ndarray) -> np.ndarray:
    """Complex points [points], centred, with a root mean square distance of 1 from their centre."""
    centred = points - np.nanmean(points)
    return centred / np.sqrt(np.nanmean(np.abs(centred) ** 2))


def section(evaluation: Evaluation, faces: DistinctFaces) -> Section | None:
    """The mean face with a circle for each landmark, and the hardest landmarks as a table; None without any error."""
    errors = np.where(np.isfinite(faces.result.errors), 100 * faces.result.errors, np.nan)
    count = (~np.isnan(errors)).sum(axis=0)
    if not count.any():
        return None
    means = np.where(count > 0, np.nansum(errors, axis=0) / np.maximum(count, 1), np.nan)
    mean, offset, used = mean_and_offset(faces.result)
    scale = (_SIDE - 2 * _MARGIN) / _extent(mean)
    longest = np.abs(offset[~np.isnan(mean)]).max(initial=1e-9) * scale
    stretch = next((factor for factor in (20, 10, 5, 2) if factor * longest <= _LONGEST), 1)
    worst = sorted(np.flatnonzero(count > 0).tolist(), key=lambda i: -means[i])[:_HARDEST]
    drawing = _draw(mean * scale, means, stretch * offset * scale, worst, evaluation)
    rows = [[str(i), number(means[i]), number(np.nanmedian(errors[:, i])), str(count[i])] for i in worst]
    heading = ["landmark", "mean, %", "median, %", "faces"]
    hardest = table(heading, rows, "The hardest landmarks, by their index from 0")
    stretched = f", {stretch} times as far" if stretch > 1 else ""
    body = (
        f'<p class="soft">Mean error of each of the {evaluation.scheme.num_points} landmarks over '
        f"{used} faces, in % of the {evaluation.normaliser_in_words}: area and colour of a circle on the mean face. "
        f"The line from it leads to where predictions lie on average{stretched}: an error that repeats itself.</p>"
        f'<div class="columns"><figure>{drawing}{_scale(means)}</figure><div>{hardest}</div></div>'
    )
    return Section("landmarks", "Landmarks", body)


def mean_and_offset(result: SplitResult) -> tuple[np.ndarray, np.ndarray, int]:
    """The mean face and how far, on average, predictions lie beside the labels in its frame.

    Returns:
      Both complex [points], see `aligned`, and the number of faces that they are from.
    """
    mean, factor, used = aligned(result.labels)
    offsets = (result.predicted - result.labels)[used]
    offsets = (offsets[..., 0] + 1j * offsets[..., 1]) * factor[:, None]
    finite = np.isfinite(offsets)
    offset = np.where(finite, offsets, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    return mean, offset, int(used.sum())


def _extent(mean: np.ndarray) -> float:
    """The longer side of the box around a mean face, complex [points]."""
    return max(np.nanmax(part) - np.nanmin(part) for part in (mean.real, mean.imag)) + 1e-9


def _draw(
    mean: np.ndarray, means: np.ndarray, offset: np.ndarray, named: list[int], evaluation: Evaluation
) -> str:
    """The mean face as SVG, some landmarks with their index; mean and offset in units of the drawing."""
    known = ~np.isnan(mean)
    x = mean.real - np.nanmin(mean.real) + _MARGIN
    y = mean.imag - np.nanmin(mean.imag) + _MARGIN
    width, height = np.nanmax(x) + _MARGIN, np.nanmax(y) + _MARGIN
    lines = "".join(
        f'<polyline class="outline" points="{" ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in line if known[i])}"/>'
        for line in evaluation.scheme.lines
    )
    largest = np.nanmax(means) if (~np.isnan(means)).any() else 1.0
    marks = []
    for i in np.flatnonzero(known & ~np.isnan(means)).tolist():
        radius = 1.5 + 8 * np.sqrt(means[i] / max(largest, 1e-9))
        end = (x[i] + offset[i].real, y[i] + offset[i].imag)
        marks.append(
            f'<circle cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="{radius:.1f}" fill="{_colour(means[i], means)}" '
            f'fill-opacity=".8"><title>landmark {i}: {means[i]:.2f} %</title></circle>'
            f'<line class="bias" x1="{x[i]:.1f}" y1="{y[i]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'
        )
    for i in named:  # outwards from the middle of the face
        away = np.array([x[i] - width / 2, y[i] - height / 2])
        left, top = np.array([x[i], y[i]]) + _TO_INDEX * away / max(np.linalg.norm(away), 1.0)
        marks.append(f'<text x="{left:.1f}" y="{top + 3:.1f}" text-anchor="middle">{i}</text>')
    label = html.escape(f"Mean face with the mean error of each landmark, at most {largest:.2f} %")
    return (
        f'<svg class="meanface" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{label}">'
        f"{lines}{''.join(marks)}</svg>"
    )


def _range(means: np.ndarray) -> tuple[float, float]:
    if np.isnan(means).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    return low, max(high, low + 1e-9)


def _colour(value: float, means: np.ndarray) -> str:
    """The colour of an error among the others."""
    low, high = _range(means)
    place = (value - low) / (high - low) * (len(_COLOURS) - 1)
    channels = [np.interp(place, np.arange(len(_COLOURS)), _COLOURS[:, k]) for k in range(3)]
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)


def _scale(means: np.ndarray) -> str:
    """The colours' legend."""
    low, high = _range(means)
    stops = ",".join(_colour(value, means) for value in np.linspace(low, high, len(_COLOURS)))
    return f'<div class="scale">{low:.1f} %<i style="background:linear-gradient(90deg,{stops})"></i>{high:.1f} %</div>'
