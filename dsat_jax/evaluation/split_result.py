"""Results of an evaluation for every face of a split, and their summary as tables of text."""

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

    10,000 faces of 98 landmarks take about 50 MB. The images are not kept; the report reads them again.

    Attributes:
      nme: NME of each face, [faces], shares of the normaliser; NaN for a face whose normaliser is unknown.
      attributes: whether each face has the attribute, bool [faces], by name of the attribute.
      point_groups: NME over the visible landmarks alone and over the occluded ones alone, [faces] each, NaN for a face
        without any; empty where the dataset marks no landmark as occluded.
      sample: crops of the first batch, with `points` and `predicted` in input pixels, for samples.png.
      record: index into the split's records, int [faces].
      predicted: predicted landmarks, float64 [faces, points, 2], original pixels.
      labels: labels, float64 [faces, points, 2], original pixels; NaN where the position is unknown.
      errors: errors of the landmarks, float64 [faces, points], shares of the normaliser; NaN without a label or
        normaliser, infinite where the prediction is not finite.
      boxes: annotated face boxes, [faces, 4], original pixels.
      occluded: whether the dataset marks each landmark as occluded, bool [faces, points].
      confidence: peak values of the heatmaps, float32 [faces, points]; None for a model without heatmaps.
      open_channels: whether the gate opens each channel, bool [faces, channels]; None for a model without a gate.
      seconds_per_face: time of the network per face, the median over batches without the first, which may include the
        compilation; NaN with a single batch.
      seconds: time of the whole split, reading included.
    """

    nme: np.ndarray
    attributes: dict[str, np.ndarray]
    point_groups: dict[str, np.ndarray]
    sample: dict[str, np.ndarray]
    record: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray
    errors: np.ndarray
    boxes: np.ndarray
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
    """Measures the errors of predictions in original pixels.

    Args:
      rows: fields of `batches.evaluation_batches` without the images, a row for each face in the order of the records;
        also predicted [faces, points, 2] in input pixels, and confidence and gates as in `landmarks.Landmarks`.
      config: configuration of the run.
      sample: sample of the result, see `SplitResult`.
      seconds_per_face: time of the network per face, see `SplitResult`.
      seconds: time of the whole split, see `SplitResult`.
    """
    to_original = rows["to_original"]
    predicted = geometry.transform_points(to_original, rows["predicted"].astype(np.float64))
    labels = geometry.transform_points(to_original, rows["points"].astype(np.float64))
    labels = np.where((rows["weights"] > 0)[..., None], labels, np.nan)
    gates = rows.get("gates")
    return SplitResult(
        **_errors(predicted, labels, rows["occluded"], rows["box"], config),
        attributes=rows.get("attributes", {}),
        sample=sample,
        record=rows["record"],
        predicted=predicted,
        labels=labels,
        boxes=rows["box"],
        occluded=rows["occluded"],
        confidence=rows.get("confidence"),
        open_channels=None if gates is None else gates > 0,
        seconds_per_face=seconds_per_face,
        seconds=seconds,
    )


def measured_again(result: SplitResult, config: ConfigDict) -> SplitResult:
    """Returns a result with the errors by the normaliser of another configuration."""
    errors = _errors(result.predicted, result.labels, result.occluded, result.boxes, config)
    return dataclasses.replace(result, **errors)


def _errors(
    predicted: np.ndarray, labels: np.ndarray, occluded: np.ndarray, boxes: np.ndarray, config: ConfigDict
) -> dict[str, Any]:
    """Returns the fields of a `SplitResult` that depend on the normaliser, from others of its fields."""
    known, normaliser = ~np.isnan(labels[..., 0]), config.evaluate.normaliser
    scheme = schemes.find(config.data.scheme)
    errors = metrics.labelled_errors(predicted, labels, known, boxes, normaliser, scheme)
    nme = metrics.nme(errors, known)
    if np.isnan(nme).any():
        logging.warning("%d faces have no %s and are not measured", np.isnan(nme).sum(), normaliser)
    groups = {"visible points": known & ~occluded, "occluded points": occluded}
    by_group = {name: metrics.nme(errors, chosen) for name, chosen in groups.items() if occluded.any()}
    return {"nme": nme, "errors": errors, "point_groups": by_group}


def joined(results: Sequence[SplitResult], kept: Sequence[np.ndarray]) -> SplitResult:
    """Joins chosen faces of several splits of one dataset into one result, without a sample and without times.

    Args:
      results: results of the splits.
      kept: rows to take from each result, int [faces] each.
    """
    rows = []
    for result, chosen in zip(results, kept, strict=True):
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        fields = {
            name: value
            for name, value in fields.items()
            if name not in ("sample", "seconds_per_face", "seconds")
        }
        fields["point_groups"] = {}  # some splits have them, others do not
        rows.append(jax.tree.map(lambda value, chosen=chosen: value[chosen], fields))
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *rows)
    # JAX sorts the keys of dictionaries.
    whole["attributes"] = {name: whole["attributes"][name] for name in results[0].attributes}
    return SplitResult(**whole, sample={}, seconds_per_face=math.nan, seconds=math.nan)


def subsets(result: SplitResult) -> dict[str, np.ndarray]:
    """Returns the faces of each attribute, bool [faces]; attributes of no face or of every face are left out."""
    return {name: chosen for name, chosen in result.attributes.items() if chosen.any() and not chosen.all()}


def summarise(name: str, result: SplitResult, threshold: float) -> dict[str, dict[str, float]]:
    """Returns NME, FR and AUC of a split and of its `subsets`: `{"test": ..., "test/pose": ...}`.

    Where the dataset marks landmarks as occluded, the figures over the visible and over the occluded ones follow:
    `test/visible points`, `test/occluded points`.

    Args:
      name: name of the split.
      result: result of the split.
      threshold: NME above which a face counts as a failure.
    """
    of_subsets = {subset: result.nme[chosen] for subset, chosen in subsets(result).items()}
    return {
        name: metrics.summary(result.nme, threshold),
        **{
            f"{name}/{subset}": metrics.summary(nme, threshold)
            for subset, nme in (of_subsets | result.point_groups).items()
        },
    }


def figures(summaries: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the figures of summaries by one name: `test/makeup/nme`."""
    return {f"{subset}/{name}": row[name] for subset, row in summaries.items() for name in FIGURES}


def normaliser_name(config: ConfigDict) -> str:
    """Returns the written name of a run's normaliser, see `metrics.normaliser_name`."""
    return metrics.normaliser_name(config.evaluate.normaliser, schemes.find(config.data.scheme))


def figure_names(threshold: float) -> tuple[str, str, str]:
    """Returns the headings of NME, FR and AUC, with the threshold in percent: `NME`, `FR@8`, `AUC@8`."""
    percent = f"{100 * threshold:g}"
    return "NME", f"FR@{percent}", f"AUC@{percent}"


def faces_of(row: Mapping[str, float]) -> str:
    """Returns the number of faces of a summary: `689`, or `330 of 689` for a part of the official dataset."""
    return f"{row['faces']} of {row['official_faces']}" if "official_faces" in row else str(row["faces"])


def table(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """Returns the summaries as lines of text; the headings contain normaliser and threshold."""
    nme, fr, auc = figure_names(config.evaluate.threshold)
    title = f"NME normalised by {normaliser_name(config)}, all figures in %"
    width = max(len(name) for name in [*summaries, "subset"])
    faces = max(6, *(len(faces_of(row)) for row in summaries.values()))
    lines = [title, f"{'subset':<{width}} {'faces':>{faces}} {nme:>7} {fr:>7} {auc:>7}"]
    for name, row in summaries.items():
        figures = f"{row['nme']:7.2f} {row['fr']:7.2f} {row['auc']:7.2f}"
        lines.append(f"{name:<{width}} {faces_of(row):>{faces}} {figures}")
    return "\n".join(lines)


def tab_separated(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """Returns the summaries as tab-separated lines; the headings contain normaliser and unit."""
    nme, fr, auc = figure_names(config.evaluate.threshold)
    lines = [
        "\t".join(["subset", "faces", f"{nme} ({normaliser_name(config)}, %)", f"{fr} (%)", f"{auc} (%)"])
    ]
    for name, row in summaries.items():
        lines.append("\t".join([name, faces_of(row), *(f"{row[figure]:.2f}" for figure in FIGURES)]))
    return "\n".join(lines) + "\n"
