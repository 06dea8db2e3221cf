"""The section on landmarks: the error of each one, drawn on the mean face."""

import html

import numpy as np

from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Section, number, table
from dsat_jax.evaluation.split_result import SplitResult

_ROUNDS = 5
_SIDE = 400  # longer side of the drawing
_MARGIN = 30
_HARDEST = 10
_TO_INDEX = 19  # distance of a landmark from its printed index
_LONGEST = 26  # longest line of a mean offset, in units of the drawing
# From the smallest to the largest error; visible on a light and on a dark page.
_COLOURS = np.array([[64, 145, 220], [70, 190, 160], [235, 190, 60], [235, 110, 60], [200, 40, 90]], float)


def aligned(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean face, by Procrustes analysis over known landmarks.

    Args:
      labels: labels, [faces, points, 2], original pixels, NaN where unknown.

    Returns:
      mean: mean face, complex [points] (x + iy), at the mean rotation of the faces, centred, with a root mean square
        distance of 1 from the centre; NaN for landmarks without any label.
      factor: rotation and scale of each used face to the mean face, complex [used faces].
      used: whether each face was used, bool [faces]; a face needs two known landmarks.
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
        mean_centre = (reference * both).sum(axis=1, keepdims=True) / count
        centred = (points - own_centre) * both
        spread = np.maximum((np.abs(centred) ** 2).sum(axis=1), 1e-12)
        factor = (centred.conj() * (reference - mean_centre)).sum(axis=1) / spread
        moved = factor[:, None] * (points - own_centre) + mean_centre
        seen = known.sum(axis=0)
        total = np.where(known, moved, 0).sum(axis=0)
        mean = _normalised(np.where(seen > 0, total / np.maximum(seen, 1), np.nan))
    # So far the mean face has the rotation of the face it started from; give it the mean rotation of all faces.
    turn = np.exp(-1j * np.angle((factor / np.maximum(np.abs(factor), 1e-12)).mean()))
    return mean * turn, factor * turn, used


def _normalised(points: np.ndarray) -> np.ndarray:
    """Complex points [points], centred, with a root mean square distance of 1 from their centre."""
    centred = points - np.nanmean(points)
    return centred / np.sqrt(np.nanmean(np.abs(centred) ** 2))


def section(evaluation: Evaluation, faces: DistinctFaces) -> Section | None:
    """Returns the section: errors on the mean face, and a table of the hardest landmarks; None without any error."""
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
    stretched = f", enlarged {stretch} times" if stretch > 1 else ""
    body = (
        f'<p class="soft">Each circle on the mean face is one of the {evaluation.scheme.num_points} landmarks. Its '
        f"area and colour show the mean error over {used} faces, in % of the {evaluation.normaliser_in_words}. The "
        f"line from each circle shows the mean offset of the predictions{stretched}: the systematic error.</p>"
        f'<div class="columns"><figure>{drawing}{_scale(means)}</figure><div>{hardest}</div></div>'
    )
    return Section("landmarks", "Landmarks", body)


def mean_and_offset(result: SplitResult) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the mean face and the mean offsets of the predictions from the labels, in the frame of the mean face.

    Returns:
      Mean face and mean offsets, complex [points] each, see `aligned`, and the number of faces used.
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
    """The mean face as SVG, with the index at each of the `named` landmarks.

    Args:
      mean: mean face, complex [points], units of the drawing.
      means: mean error of each landmark in percent, [points].
      offset: mean offset of each landmark, complex [points], units of the drawing.
      named: indices of the landmarks whose index is printed.
      evaluation: evaluation, for the lines of its scheme.
    """
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
    for i in named:  # the index is printed outwards from the centre of the face
        away = np.array([x[i] - width / 2, y[i] - height / 2])
        left, top = np.array([x[i], y[i]]) + _TO_INDEX * away / max(np.linalg.norm(away), 1.0)
        marks.append(f'<text x="{left:.1f}" y="{top + 3:.1f}" text-anchor="middle">{i}</text>')
    label = html.escape(f"Mean face with the mean error of each landmark, at most {largest:.2f} %")
    return (
        f'<svg class="meanface" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{label}">'
        f"{lines}{''.join(marks)}</svg>"
    )


def _range(means: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest mean error, never equal."""
    if np.isnan(means).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    return low, max(high, low + 1e-9)


def _colour(value: float, means: np.ndarray) -> str:
    """The colour of a mean error, by its position in the range of all mean errors."""
    low, high = _range(means)
    place = (value - low) / (high - low) * (len(_COLOURS) - 1)
    channels = [np.interp(place, np.arange(len(_COLOURS)), _COLOURS[:, k]) for k in range(3)]
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)


def _scale(means: np.ndarray) -> str:
    """The legend of the colours, as HTML."""
    low, high = _range(means)
    stops = ",".join(_colour(value, means) for value in np.linspace(low, high, len(_COLOURS)))
    return f'<div class="scale">{low:.1f} %<i style="background:linear-gradient(90deg,{stops})"></i>{high:.1f} %</div>'
