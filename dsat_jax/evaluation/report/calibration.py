"""Whether the confidence says how large the error is."""

import dataclasses

import numpy as np

from dsat_jax.evaluation.rank_correlation import RankCorrelation, correlation, ranks, spearman
from dsat_jax.evaluation.report import charts
from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Section, number, table

_BINS = 10


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Confidence against error.

    Attributes:
      confidence: [bins], mean confidence of the landmarks of each bin; bins hold as many landmarks each, those of
        lower confidence first.
      error: [bins], their mean error in percent of the normaliser.
      middle: [bins], their median error.
      quartiles: [2, bins], their first and third quartile.
      of_landmarks: Spearman's rho of confidence and error over all landmarks.
      of_faces: the same of a face's mean confidence and NME.
    """

    confidence: np.ndarray
    error: np.ndarray
    middle: np.ndarray
    quartiles: np.ndarray
    of_landmarks: float
    of_faces: RankCorrelation


def calibrate(confidence: np.ndarray, errors: np.ndarray, nme: np.ndarray, bins: int = _BINS) -> Calibration:
    """Bins landmarks by confidence.

    Args:
      confidence: [faces, points].
      errors: [faces, points], shares of the normaliser; others than finite ones are left out.
      nme: [faces].
      bins: at most; fewer where there are fewer landmarks.
    """
    measured = np.isfinite(errors) & np.isfinite(confidence)
    of, error = confidence[measured].astype(float), 100 * errors[measured]
    parts = [part for part in np.array_split(np.argsort(of, kind="stable"), bins) if len(part)]
    return Calibration(
        confidence=np.array([of[part].mean() for part in parts]),
        error=np.array([error[part].mean() for part in parts]),
        middle=np.array([np.median(error[part]) for part in parts]),
        quartiles=np.array([np.percentile(error[part], [25, 75]) for part in parts]).reshape(-1, 2).T,
        of_landmarks=correlation(ranks(of), ranks(error)) if len(of) else float("nan"),
        of_faces=spearman(confidence.mean(axis=1).astype(float), nme),
    )


def section(evaluation: Evaluation, faces: DistinctFaces) -> Section | None:
    """Confidence and error in bins; None for a model without confidence."""
    result = faces.result
    if result.confidence is None:
        return None
    found = calibrate(result.confidence, result.errors, result.nme)
    chart = charts.Chart(
        charts.axis_for("confidence (peak of the heatmap)", found.confidence),
        charts.axis_for(
            f"error ({evaluation.normaliser}), %",
            np.concatenate([found.quartiles.ravel(), found.error]),
            start_at_zero=True,
        ),
        "Error by confidence",
    )
    chart.band(found.confidence, *found.quartiles, 0)
    chart.line(found.confidence, found.middle, 0, "median error")
    chart.line(found.confidence, found.error, 1, "mean error")
    chart.dots(found.confidence, found.error, 1)
    rows = [
        [number(c), number(e), number(m)]
        for c, e, m in zip(found.confidence, found.error, found.middle, strict=True)
    ]
    of_faces = found.of_faces
    body = (
        '<p class="soft">Landmarks in ten bins of as many each, by their confidence: the peak value of the heatmap, 1 '
        "where it is as high as in training. A confidence that is worth something falls as the error grows.</p>"
        f"<p>Spearman's rank correlation of confidence and error over landmarks: <b>{number(found.of_landmarks)}</b>. "
        f"Of a face's mean confidence and its NME: <b>{number(of_faces.rho)}</b> "
        f"(95 % bootstrap interval {number(of_faces.low)} to {number(of_faces.high)}, {of_faces.faces} faces).</p>"
        f'<div class="columns"><figure>{chart.svg()}'
        f"{charts.legend(['median error, band: first to third quartile', 'mean error'])}</figure>"
        f"{table(['confidence', 'mean error, %', 'median, %'], rows)}</div>"
    )
    return Section("calibration", "Confidence", body)
