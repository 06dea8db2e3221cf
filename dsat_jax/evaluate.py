"""Evaluation: every face of a split once, errors in original pixels, tables, files and the CED picture."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from flax import linen as nn
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import (
    checkpoints,
    config as run_config,
    geometry,
    inputs,
    mesh as meshes,
    metrics,
    models,
    pictures,
    state,
)
from dsat_jax.choices import choose
from dsat_jax.forward import Landmarks, make_forward
from dsat_jax.optimizer import make_optimizer
from dsat_jax.schemes import SCHEMES

METRICS_FILE = "metrics.json"
CED_FILE = "ced.png"

Forward = Callable[[Mapping[str, Any], jax.Array], Landmarks]


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """Errors of every face of a split.

    Attributes:
      nme: [faces]; NaN for a face whose normaliser is unknown.
      attributes: bool [faces] for each attribute of the dataset.
      sample: the first batch's crops, with `predicted` points in input pixels, for a picture.
    """

    nme: np.ndarray
    attributes: dict[str, np.ndarray]
    sample: dict[str, np.ndarray]


def make_evaluation_step(model: nn.Module, config: ConfigDict, mesh: Mesh) -> Forward:
    """The jitted forward pass on a mesh, its results replicated so that every process sees all faces."""
    choose(metrics.NORMALISERS, config.evaluate.normaliser, "normaliser")  # now, not after hours of training
    forward = make_forward(model, config, SCHEMES[config.data.scheme])
    return jax.jit(
        forward,
        in_shardings=(meshes.replicated(mesh), meshes.split_batch(mesh)),
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
      source: records from `inputs.read_split`.
      mesh: from `meshes.make_mesh`.
    """
    batches, predictions, sample = [], [], {}
    for batch in inputs.evaluation_batches(config, source, jax.process_index(), jax.process_count()):
        images = meshes.place_batch({"image": batch["image"]}, mesh)["image"]
        points = np.asarray(forward(variables, images).points)
        sample = sample or {
            "image": batch["image"][batch["mask"]],
            "points": batch["points"][batch["mask"]],
            "predicted": points[: len(batch["mask"])][batch["mask"]],
        }
        del batch["image"]
        # Tiled: the rows of process 0, then of process 1, ..., as in the global batch.
        batches.append(
            multihost_utils.process_allgather(batch, tiled=True) if jax.process_count() > 1 else batch
        )
        predictions.append(points)
    rows = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    rows["predicted"] = np.concatenate(predictions)
    order = np.argsort(rows["record"], kind="stable")
    order = order[rows["mask"][order]]
    return _measure(jax.tree.map(lambda value: value[order], rows), config, sample)


def _measure(rows: dict[str, Any], config: ConfigDict, sample: dict[str, np.ndarray]) -> SplitResult:
    """Errors in original pixels of faces in the order of their records."""
    scheme = SCHEMES[config.data.scheme]
    to_original = rows["to_original"]
    predicted = geometry.transform_points(to_original, rows["predicted"].astype(np.float64))
    labels = geometry.transform_points(to_original, rows["points"].astype(np.float64))
    known = rows["weights"] > 0
    labels = np.where(known[..., None], labels, np.nan)
    normaliser = choose(metrics.NORMALISERS, config.evaluate.normaliser, "normaliser")(labels, scheme)
    errors = metrics.point_errors(predicted, labels, normaliser)
    if not np.isfinite(normaliser).all():
        count = (~np.isfinite(normaliser)).sum()
        logging.warning("%d faces lack the landmarks of %s: not measured", count, config.evaluate.normaliser)
    return SplitResult(metrics.nme(errors, known), rows.get("attributes", {}), sample)


def summarise(name: str, result: SplitResult, threshold: float) -> dict[str, dict[str, float]]:
    """NME, FR and AUC of a split and of the faces that have each attribute: `{"test": ..., "test/pose": ...}`."""
    summaries = {name: metrics.summary(result.nme, threshold)}
    for attribute, chosen in result.attributes.items():
        if not chosen.any():
            continue
        summaries[f"{name}/{attribute}"] = metrics.summary(result.nme[chosen], threshold)
    return summaries


def table(summaries: Mapping[str, Mapping[str, float]], config: ConfigDict) -> str:
    """The summaries as lines of text, the normaliser and the threshold named."""
    percent = f"{100 * config.evaluate.threshold:g}"
    title = f"NME normalised by {config.evaluate.normaliser.replace('_', '-')} distance, all figures in %"
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
      splits: TFDS splits. One that this copy of the dataset lacks is named and left out.
      mesh: from `meshes.make_mesh`.
      workdir: folder of the files.

    Returns:
      The summaries by subset.

    Raises:
      ValueError: if the dataset has none of the splits.
    """
    results = {}
    for split in inputs.existing_splits(config, splits):
        results[split] = evaluate_split(forward, variables, config, inputs.read_split(config, split), mesh)
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
    pictures.draw_samples(first, SCHEMES[config.data.scheme], workdir / pictures.SAMPLES_FILE)


def restore_best(config: ConfigDict, model: nn.Module, mesh: Mesh, workdir: pathlib.Path) -> dict[str, Any]:
    """The averaged variables of the best checkpoint in a run's folder.

    Raises:
      FileNotFoundError: if the run has no checkpoint.
    """
    saved = checkpoints.Checkpoints(workdir)
    try:
        optimizer = make_optimizer(config.optimizer, config.train.steps)
        template = state.template(model, optimizer, config.input.size)
        return saved.restore(saved.best_step(), template, meshes.replicated(mesh)).ema
    finally:
        saved.close()


def evaluate_run(
    workdir: pathlib.Path, dataset: str | None = None, splits: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """The story of `--mode=evaluate`: a finished run on its own test splits, or on others.

    The run's own test splits are reported in its folder, others in evaluations/<dataset and splits> below it.

    Args:
      workdir: the run's folder.
      dataset: another dataset with the same landmarks; None for the run's own.
      splits: TFDS splits; empty for the run's test splits.

    Returns:
      The summaries by subset.

    Raises:
      FileNotFoundError: if the folder holds no run or no checkpoint, or the dataset has not been built.
    """
    config = run_config.load(workdir)
    meshes.check_batch_size("config.evaluate.batch_size", config.evaluate.batch_size)
    out = workdir
    if dataset or splits:
        config.data.dataset = dataset or config.data.dataset
        what = "-".join([config.data.dataset, *splits])
        out = workdir / "evaluations" / re.sub(r"[^\w.-]+", "_", what)
        out.mkdir(parents=True, exist_ok=True)
    model = models.build_for(config)
    mesh = meshes.make_mesh()
    variables = restore_best(config, model, mesh, workdir)
    forward = make_evaluation_step(model, config, mesh)
    logging.info("evaluating %s on %s", workdir, config.data.dataset)
    return evaluate_splits(forward, variables, config, splits or config.data.test, mesh, out)
