"""The section on confidence: how well it predicts the error."""

import dataclasses

import numpy as np

from dsat_jax.evaluation.rank_correlation import RankCorrelation, rho, spearman
from dsat_jax.evaluation.report import charts
from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Section, number, table

_BINS = 10


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Error of the landmarks in bins of confidence; the bins hold equal numbers of landmarks.

    Attributes:
      confidence: mean confidence of each bin, [bins], ascending.
      error: mean error of each bin in percent of the normaliser, [bins].
      middle: median error of each bin, in the same unit, [bins].
      quartiles: first and third quartile of each bin's errors, in the same unit, [2, bins].
      of_landmarks: Spearman's rho of confidence and error over all landmarks.
      of_faces: Spearman's rho of mean confidence and NME over all faces.
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
      confidence: confidence of each landmark, [faces, points].
      errors: error of each landmark, [faces, points], shares of the normaliser; only finite ones count.
      nme: NME of each face, [faces], shares of the normaliser.
      bins: largest number of bins; if there are fewer landmarks, each has its own bin.
    """
    measured = np.isfinite(errors) & np.isfinite(confidence)
    peak, error = confidence[measured].astype(float), 100 * errors[measured]
    parts = [part for part in np.array_split(np.argsort(peak, kind="stable"), bins) if len(part)]
    return Calibration(
        confidence=np.array([peak[part].mean() for part in parts]),
        error=np.array([error[part].mean() for part in parts]),
        middle=np.array([np.median(error[part]) for part in parts]),
        quartiles=np.array([np.percentile(error[part], [25, 75]) for part in parts]).reshape(-1, 2).T,
        of_landmarks=rho(peak, error),
        of_faces=spearman(confidence.mean(axis=1).astype(float), nme),
    )


def section(evaluation: Evaluation, faces: DistinctFaces) -> Section | None:
    """Returns the section: error by confidence; None for a model without confidence."""
    result = faces.result
    if result.confidence is None:
        return None
    binned = calibrate(result.confidence, result.errors, result.nme)
    chart = charts.Chart(
        charts.axis_for("confidence (peak of the heatmap)", binned.confidence),
        charts.axis_for(
            f"error ({evaluation.normaliser}), %",
            np.concatenate([binned.quartiles.ravel(), binned.error]),
            start_at_zero=True,
        ),
        "Error by confidence",
    )
    chart.band(binned.confidence, *binned.quartiles, 0)
    chart.line(binned.confidence, binned.middle, 0, "median error")
    chart.line(binned.confidence, binned.error, 1, "mean error")
    chart.dots(binned.confidence, binned.error, 1)
    rows = [
        [number(c), number(e), number(m)]
        for c, e, m in zip(binned.confidence, binned.error, binned.middle, strict=True)
    ]
    of_faces = binned.of_faces
    body = (
        '<p class="soft">The landmarks are sorted by confidence into ten bins of equal size. The confidence is the '
        "peak value of the heatmap; it is 1 for a peak as high as that of the training targets. A useful confidence "
        "falls as the error grows.</p>"
        f"<p>Spearman's rank correlation of confidence and error over landmarks: <b>{number(binned.of_landmarks)}</b>. "
        f"The same for a face's mean confidence and its NME: <b>{number(of_faces.rho)}</b> "
        f"(95 % bootstrap interval {number(of_faces.low)} to {number(of_faces.high)}, {of_faces.faces} faces).</p>"
        f'<div class="columns"><figure>{chart.svg()}'
        f"{charts.legend(['median error, band: first to third quartile', 'mean error'])}</figure>"
        f"{table(['confidence', 'mean error, %', 'median, %'], rows)}</div>"
    )
    return Section("calibration", "Confidence", body)
