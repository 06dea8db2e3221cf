"""Evaluation: every face of a split once, errors in original pixels, tables, files and the CED picture."""

import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import (
    checkpoints,
    config as run_config,
    datasets,
    geometry,
    inputs,
    mesh as meshes,
    metrics,
    models,
    pictures,
    schemes,
    stall,
    state,
)
from dsat_jax.choices import choose
from dsat_jax.forward import Forward, in_scheme, make_forward
from dsat_jax.optimizer import make_optimizer
from dsat_jax.schemes import Scheme

METRICS_FILE = "metrics.json"
CED_FILE = "ced.png"


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """Errors of every face of a split.

    Attributes:
      nme: [faces]; NaN for a face whose normaliser is unknown.
      attributes: bool [faces] for each attribute of the dataset.
      point_groups: NME [faces] over the visible and over the occluded landmarks alone, NaN for a face without any;
        empty where the dataset marks none as occluded.
      sample: the first batch's crops, with `predicted` points in input pixels, for a picture.
    """

    nme: np.ndarray
    attributes: dict[str, np.ndarray]
    point_groups: dict[str, np.ndarray]
    sample: dict[str, np.ndarray]


def make_evaluation_step(
    model: nn.Module, config: ConfigDict, mesh: Mesh, target: Scheme | None = None
) -> Forward:
    """The jitted forward pass on a mesh, its results replicated so that every process sees all faces.

    Args:
      model: as made by `models.build_for`.
      config: the run's configuration.
      mesh: from `meshes.make_mesh`.
      target: scheme to which the landmarks are converted; None leaves them in the run's own.

    Raises:
      ValueError: if the configuration's normaliser does not exist, or the landmarks cannot be converted.
    """
    choose(metrics.NORMALISERS, config.evaluate.normaliser, "normaliser")  # now, not after hours of training
    scheme = schemes.find(config.data.scheme)
    forward = make_forward(model, config, scheme)
    if target is not None:
        forward = in_scheme(forward, scheme, target)
    return jax.jit(
        lambda variables, images: forward(meshes.gathered(variables, mesh), images),
        in_shardings=(None, meshes.split_batch(mesh)),  # the variables come as they are placed
        out_shardings=meshes.replicated(mesh),
    )


def evaluate_split(
    forward: Forward,
    variables: Mapping[str, Any],
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    mesh: Mesh,
) -> SplitResult:
    """Predicts every face of a split and measures its error in the original picture.

    Args:
      forward: from `make_evaluation_step`.
      variables: of the model.
      config: the run's configuration.
      source: records from `datasets.read_split`.
      mesh: from `meshes.make_mesh`.
    """
    batches, predictions, sample = [], [], {}
    batch_size = meshes.spread(config.evaluate.batch_size)
    waiting = inputs.evaluation_batches(config, source, batch_size, jax.process_index(), jax.process_count())
    for batch in stall.reported_each(waiting, config.train.stall_seconds, "images to evaluate"):
        images = meshes.place_batch({"image": batch["image"]}, mesh)["image"]
        points = np.asarray(forward(variables, images).points)
        sample = sample or {
            "image": batch["image"][batch["mask"]],
            "points": batch["points"][batch["mask"]],
            "predicted": points[: len(batch["mask"])][batch["mask"]],
        }
        del batch["image"]
        batches.append(jax.tree.map(meshes.gather_rows, batch))
        predictions.append(points)
    rows = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    rows["predicted"] = np.concatenate(predictions)
    order = np.argsort(rows["record"], kind="stable")
    order = order[rows["mask"][order]]
    return _measure(jax.tree.map(lambda value: value[order], rows), config, sample)


def _measure(rows: dict[str, Any], config: ConfigDict, sample: dict[str, np.ndarray]) -> SplitResult:
    """Errors in original pixels of faces in the order of their records."""
    scheme = schemes.find(config.data.scheme)
    to_original = rows["to_original"]
    predicted = geometry.transform_points(to_original, rows["predicted"].astype(np.float64))
    labels = geometry.transform_points(to_original, rows["points"].astype(np.float64))
    known = rows["weights"] > 0
    labels = np.where(known[..., None], labels, np.nan)
    normalise = choose(metrics.NORMALISERS, config.evaluate.normaliser, "normaliser")
    normaliser = normalise(labels, rows["box"], scheme)
    normaliser = np.where(normaliser > 0, normaliser, np.nan)
    errors = metrics.point_errors(predicted, labels, normaliser)
    if np.isnan(normaliser).any():
        name = config.evaluate.normaliser
        logging.warning("%d faces have no %s: not measured", np.isnan(normaliser).sum(), name)
    occluded = rows["occluded"]
    groups = {"visible points": known & ~occluded, "occluded points": occluded}
    return SplitResult(
        nme=metrics.nme(errors, known),
        attributes=rows.get("attributes", {}),
        point_groups={name: metrics.nme(errors, chosen) for name, chosen in groups.items() if occluded.any()},
        sample=sample,
    )


def summarise(name: str, result: SplitResult, threshold: float) -> dict[str, dict[str, float]]:
    """NME, FR and AUC of a split and of the faces that have each attribute: `{"test": ..., "test/pose": ...}`.

    An attribute that no face has, or every one, is left out. Where landmarks are marked as occluded, the figures over
    the others and over them alone follow: `test/visible points`, `test/occluded points`.
    """
    subsets = {
        attribute: result.nme[chosen]
        for attribute, chosen in result.attributes.items()
        if chosen.any() and not chosen.all()
    }
    return {
        name: metrics.summary(result.nme, threshold),
        **{
            f"{name}/{subset}": metrics.summary(nme, threshold)
            for subset, nme in (subsets | result.point_groups).items()
        },
    }


def table(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """The summaries as lines of text, the normaliser and the threshold named."""
    percent = f"{100 * config.evaluate.threshold:g}"
    title = f"NME normalised by {config.evaluate.normaliser.replace('_', '-')}, all figures in %"
    width = max(len(name) for name in [*summaries, "subset"])
    lines = [title, f"{'subset':<{width}} {'faces':>6} {'NME':>7} {'FR@' + percent:>7} {'AUC@' + percent:>7}"]
    for name, row in summaries.items():
        figures = f"{row['nme']:7.2f} {row['fr']:7.2f} {row['auc']:7.2f}"
        lines.append(f"{name:<{width}} {row['faces']:>6} {figures}")
    return "\n".join(lines)


def evaluate_splits(
    forward: Forward,
    variables: Mapping[str, Any],
    config: ConfigDict,
    splits: Sequence[str],
    mesh: Mesh,
    workdir: pathlib.Path,
) -> dict[str, dict[str, float]]:
    """Evaluates splits, prints the table, and writes metrics.json, ced.png and samples.png.

    Args:
      forward: from `make_evaluation_step`.
      variables: of the model.
      config: the run's configuration.
      splits: TFDS splits.
      mesh: from `meshes.make_mesh`.
      workdir: folder of the files.

    Returns:
      The summaries by subset.

    Raises:
      ValueError: if the dataset lacks one of the splits.
    """
    results = {}
    for split in splits:
        result = evaluate_split(forward, variables, config, datasets.read_split(config, split), mesh)
        ordered = {name: result.attributes[name] for name in datasets.attribute_names(config)}
        results[split] = dataclasses.replace(result, attributes=ordered)
    summaries = {}
    for split, result in results.items():
        summaries |= summarise(split, result, config.evaluate.threshold)
    if jax.process_index() == 0:
        print(table(summaries, config))
        _write_files(results, summaries, config, workdir)
    return summaries


def _write_files(
    results: Mapping[str, SplitResult],
    summaries: Mapping[str, Mapping[str, float]],
    config: ConfigDict,
    workdir: pathlib.Path,
) -> None:
    contents = {
        "dataset": config.data.dataset,
        "normaliser": config.evaluate.normaliser,
        "threshold": config.evaluate.threshold,
        "subsets": summaries,
    }
    (workdir / METRICS_FILE).write_text(json.dumps(contents, indent=2) + "\n")
    pictures.draw_error_curves(
        {split: result.nme for split, result in results.items()},
        config.evaluate.threshold,
        config.evaluate.normaliser,
        workdir / CED_FILE,
    )
    first = next(iter(results.values())).sample
    pictures.draw_samples(first, schemes.find(config.data.scheme), workdir / pictures.SAMPLES_FILE)


def restored(config: ConfigDict, model: nn.Module, mesh: Mesh, workdir: pathlib.Path) -> dict[str, Any]:
    """The averaged variables of the best checkpoint in a run's folder.

    Raises:
      FileNotFoundError: if the run has no checkpoint.
      ValueError: if all its checkpoints are damaged.
    """
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    template = state.template(mesh, model, optimizer, config.input.size)
    return checkpoints.restore_best(workdir, template.ema)


def evaluate_run(
    workdir: pathlib.Path, dataset: str | None = None, splits: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """The story of `--mode=evaluate`: a finished run on its own test splits, or on others.

    The run's own test splits are reported in its folder, others in evaluations/<dataset and splits> below it. On a
    dataset with another landmark scheme its labels are converted to the run's, or the run's landmarks to the
    dataset's, whichever `schemes.CONVERSIONS` can.

    Args:
      workdir: the run's folder.
      dataset: another dataset; None for the run's own.
      splits: TFDS splits; empty for the run's test splits, or the other dataset's.

    Returns:
      The summaries by subset.

    Raises:
      FileNotFoundError: if the folder holds no run or no checkpoint, or the dataset has not been built.
      ValueError: if the landmarks of the run and of the dataset cannot be compared.
    """
    config = run_config.load(workdir)
    out = workdir
    if dataset or splits:
        config.data.dataset = dataset or config.data.dataset
        what = "-".join([config.data.dataset, *splits])
        out = workdir / "evaluations" / re.sub(r"[^\w.-]+", "_", what)
        out.mkdir(parents=True, exist_ok=True)
    model = models.build_for(config)
    mesh = meshes.make_mesh(math.gcd(config.mesh.model, jax.device_count()))  # also on fewer devices
    labels, found = datasets.dataset_scheme(config), schemes.find(config.data.scheme)
    common = found if schemes.can_convert(labels, found) else labels
    forward = make_evaluation_step(model, config, mesh, common)
    if common != found:
        logging.warning("landmarks of %s are converted to %s", found.name, common.name)
        config.data.scheme = schemes.as_text(common)
    variables = restored(config, model, mesh, workdir)
    splits = splits or datasets.test_splits(config, () if dataset else config.data.test)
    logging.info("evaluating %s on %s", workdir, config.data.dataset)
    return evaluate_splits(forward, variables, config, splits, mesh, out)
