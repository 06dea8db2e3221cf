"""What an evaluation knows of every face of a split, and its summary as tables of text."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from dsat_jax import geometry, metrics, schemes

FIGURES = ("nme", "fr", "auc")


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """Predictions, labels and errors of every face of a split, in the order of its records.

    For 10,000 faces of 98 landmarks that is about 50 MB; pictures are read again from the records.

    Attributes:
      nme: [faces]; NaN for a face whose normaliser is unknown.
      attributes: bool [faces] for each attribute of the dataset.
      point_groups: NME [faces] over the visible and over the occluded landmarks alone, NaN for a face without any;
        empty where the dataset marks none as occluded.
      sample: the first batch's crops, with `predicted` points in input pixels, for a picture.
      record: int [faces], index into the split's records.
      predicted: float64 [faces, points, 2], pixels of the original picture.
      labels: float64 [faces, points, 2], pixels of the original picture; NaN where the position is unknown.
      errors: float64 [faces, points], shares of the normaliser; NaN where there is no label or no normaliser, infinite
        where the prediction is no number.
      occluded: bool [faces, points], marked as occluded by the dataset.
      confidence: float32 [faces, points], the heatmaps' peak values; None for a model without heatmaps.
      open_channels: bool [faces, channels], which channels the gate opens; None for a model without a gate.
      seconds_per_face: from a batch in memory to its landmarks, the median batch but for the first, which may contain
        the compilation; NaN with a single batch.
      seconds: of the whole split, reading included.
    """

    nme: np.ndarray
    attributes: dict[str, np.ndarray]
    point_groups: dict[str, np.ndarray]
    sample: dict[str, np.ndarray]
    record: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray
    errors: np.ndarray
    occluded: np.ndarray
    confidence: np.ndarray | None
    open_channels: np.ndarray | None
    seconds_per_face: float
    seconds: float


def measure(
    rows: dict[str, Any],
    config: ConfigDict,
    sample: dict[str, np.ndarray],
    seconds_per_face: float = math.nan,
    seconds: float = math.nan,
) -> SplitResult:
    """Errors in original pixels.

    Args:
      rows: of `inputs.evaluation_batches`, one for each face in the order of their records, without the images; with
        predicted [faces, points, 2] in input pixels, and confidence and gates as in `forward.Landmarks`.
      config: the run's configuration.
      sample: see `SplitResult`.
      seconds_per_face: see `SplitResult`.
      seconds: see `SplitResult`.
    """
    scheme = schemes.find(config.data.scheme)
    to_original = rows["to_original"]
    predicted = geometry.transform_points(to_original, rows["predicted"].astype(np.float64))
    labels = geometry.transform_points(to_original, rows["points"].astype(np.float64))
    known = rows["weights"] > 0
    normaliser = config.evaluate.normaliser
    errors = metrics.labelled_errors(predicted, labels, known, rows["box"], normaliser, scheme)
    nme = metrics.nme(errors, known)
    if np.isnan(nme).any():
        logging.warning("%d faces have no %s: not measured", np.isnan(nme).sum(), normaliser)
    occluded = rows["occluded"]
    groups = {"visible points": known & ~occluded, "occluded points": occluded}
    gates = rows.get("gates")
    return SplitResult(
        nme=nme,
        attributes=rows.get("attributes", {}),
        point_groups={name: metrics.nme(errors, chosen) for name, chosen in groups.items() if occluded.any()},
        sample=sample,
        record=rows["record"],
        predicted=predicted,
        labels=np.where(known[..., None], labels, np.nan),
        errors=errors,
        occluded=occluded,
        confidence=rows.get("confidence"),
        open_channels=None if gates is None else gates > 0,
        seconds_per_face=seconds_per_face,
        seconds=seconds,
    )


def joined(results: Sequence[SplitResult], kept: Sequence[np.ndarray]) -> SplitResult:
    """Chosen faces of several splits of one dataset as one result; it has no sample and was not timed.

    Args:
      results: of the splits.
      kept: int [faces], the rows to take of each.
    """
    rows = []
    for result, chosen in zip(results, kept, strict=True):
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        fields = {
            name: value
            for name, value in fields.items()
            if name not in ("sample", "seconds_per_face", "seconds")
        }
        fields["point_groups"] = {}  # which a split has or not
        rows.append(jax.tree.map(lambda value, chosen=chosen: value[chosen], fields))
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *rows)
    # JAX sorts the keys of dictionaries.
    whole["attributes"] = {name: whole["attributes"][name] for name in results[0].attributes}
    return SplitResult(**whole, sample={}, seconds_per_face=math.nan, seconds=math.nan)


def subsets(result: SplitResult) -> dict[str, np.ndarray]:
    """The faces that have each attribute, bool [faces]; an attribute that no face has, or every one, is left out."""
    return {name: chosen for name, chosen in result.attributes.items() if chosen.any() and not chosen.all()}


def summarise(name: str, result: SplitResult, threshold: float) -> dict[str, dict[str, float]]:
    """NME, FR and AUC of a split and of its `subsets`: `{"test": ..., "test/pose": ...}`.

    Where landmarks are marked as occluded, the figures over the others and over them alone follow:
    `test/visible points`, `test/occluded points`.
    """
    of_subsets = {subset: result.nme[chosen] for subset, chosen in subsets(result).items()}
    return {
        name: metrics.summary(result.nme, threshold),
        **{
            f"{name}/{subset}": metrics.summary(nme, threshold)
            for subset, nme in (of_subsets | result.point_groups).items()
        },
    }


def normaliser_name(config: ConfigDict) -> str:
    """The written name of a run's normaliser, see `metrics.normaliser_name`."""
    return metrics.normaliser_name(config.evaluate.normaliser, schemes.find(config.data.scheme))


def figure_names(config: ConfigDict) -> tuple[str, str, str]:
    """How NME, FR and AUC are headed, the threshold in percent: `NME`, `FR@8`, `AUC@8`."""
    percent = f"{100 * config.evaluate.threshold:g}"
    return "NME", f"FR@{percent}", f"AUC@{percent}"


def table(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """The summaries as lines of text, the normaliser and the threshold named."""
    nme, fr, auc = figure_names(config)
    title = f"NME normalised by {normaliser_name(config)}, all figures in %"
    width = max(len(name) for name in [*summaries, "subset"])
    lines = [title, f"{'subset':<{width}} {'faces':>6} {nme:>7} {fr:>7} {auc:>7}"]
    for name, row in summaries.items():
        figures = f"{row['nme']:7.2f} {row['fr']:7.2f} {row['auc']:7.2f}"
        lines.append(f"{name:<{width}} {row['faces']:>6} {figures}")
    return "\n".join(lines)


def tab_separated(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """The summaries as tab-separated lines, for a spreadsheet or a paper; the heading names normaliser and unit."""
    nme, fr, auc = figure_names(config)
    lines = [
        "\t".join(["subset", "faces", f"{nme} ({normaliser_name(config)}, %)", f"{fr} (%)", f"{auc} (%)"])
    ]
    for name, row in summaries.items():
        lines.append("\t".join([name, str(row["faces"]), *(f"{row[figure]:.2f}" for figure in FIGURES)]))
    return "\n".join(lines) + "\n"
