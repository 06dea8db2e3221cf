"""Evaluation of a network on splits of a dataset, and the files of its results."""

import dataclasses
import json
import math
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import drawing, schemes
from dsat_jax.data import datasets
from dsat_jax.data.batches import evaluation_batches
from dsat_jax.evaluation import error_curves, gate_analysis, report
from dsat_jax.evaluation.choices import Choices, check_writable
from dsat_jax.evaluation.report.evaluation import Evaluation, picture_names
from dsat_jax.evaluation.result_files import CED_FILE, METRICS_FILE, REPORT_FILE
from dsat_jax.evaluation.split_result import SplitResult, measure, measured_again, summarise, table
from dsat_jax.files import atomic_files
from dsat_jax.inference import terminal, trained_network
from dsat_jax.inference.forward import Forward, jit_forward
from dsat_jax.runtime import sharding, watchdog


def evaluate_split(
    forward: Forward,
    variables: Mapping[str, Any],
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    mesh: Mesh,
) -> SplitResult:
    """Predicts every face of a split and measures its error in original pixels.

    Args:
      forward: forward pass from `jit_forward`.
      variables: variables of the model.
      config: configuration of the run.
      source: records of the split, from `datasets.read_split`.
      mesh: mesh of the devices, from `sharding.make_mesh`.
    """
    batches, seconds, sample = [], [], {}
    started = time.monotonic()
    batch_size = sharding.spread(config.evaluate.batch_size)
    waiting = evaluation_batches(config, source, batch_size, jax.process_index(), jax.process_count())
    waiting = watchdog.reported_each(waiting, config.train.stall_seconds, "images to evaluate")
    for batch in terminal.progress(waiting, "evaluating", math.ceil(len(source) / batch_size), "batch"):
        received = time.monotonic()
        images = sharding.place_batch({"image": batch["image"]}, mesh)["image"]
        landmarks = jax.device_get(forward(variables, images))
        seconds.append(time.monotonic() - received)
        sample = sample or {
            "image": batch["image"][batch["mask"]],
            "points": np.where(batch["weights"][..., None] > 0, batch["points"], np.nan)[batch["mask"]],
            "predicted": landmarks.points[: len(batch["mask"])][batch["mask"]],
        }
        del batch["image"]
        outputs = {
            "predicted": landmarks.points,
            "confidence": landmarks.confidence,
            "gates": landmarks.gates,
        }
        batches.append(jax.tree.map(sharding.gather_rows, batch) | outputs)
    rows = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    order = np.argsort(rows["record"], kind="stable")
    order = order[rows["mask"][order]]
    rows = jax.tree.map(lambda value: value[order], rows)
    seconds_per_face = float(np.median(seconds[1:])) / batch_size if seconds[1:] else math.nan
    return measure(rows, config, sample, seconds_per_face, time.monotonic() - started)


def evaluate_splits(
    forward: Forward,
    variables: Mapping[str, Any],
    config: ConfigDict,
    splits: Sequence[str],
    mesh: Mesh,
    workdir: pathlib.Path,
    other_normalisers: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """Evaluates splits, prints the tables, and writes the files of `result_files` and samples.png.

    Args:
      forward: forward pass from `jit_forward`.
      variables: variables of the model.
      config: configuration of the run.
      splits: TFDS splits.
      mesh: mesh of the devices, from `sharding.make_mesh`.
      workdir: folder of the files.
      other_normalisers: keys of `metrics.NORMALISERS` for further tables.

    Returns:
      Summaries by subset, see `split_result.summarise`.

    Raises:
      UserError: if the dataset lacks one of the splits.
    """
    results, sources, summaries = {}, {}, {}
    for split in splits:
        sources[split] = datasets.read_split(config, split)
        result = evaluate_split(forward, variables, config, sources[split], mesh)
        ordered = {name: result.attributes[name] for name in datasets.attribute_names(config)}
        results[split] = dataclasses.replace(result, attributes=ordered)
        summaries |= summarise(split, results[split], config.evaluate.threshold)
    _add_official_faces(summaries, config)
    if jax.process_index() == 0:
        print(table(summaries, config))
        others = {}
        for normaliser in other_normalisers:
            others[normaliser] = _summaries_by(results, config, normaliser)
            print(table(others[normaliser], _with_normaliser(config, normaliser)))
        names = {split: picture_names(sources[split], results[split].record) for split in splits}
        parameters = sum(leaf.size for leaf in jax.tree.leaves(variables.get("params", {})))
        measured = Evaluation(config, results, sources, summaries, names, parameters, _device(mesh))
        _write_files(measured, workdir, others)
        print(f"report: {workdir / REPORT_FILE}")
    return summaries


def _device(mesh: Mesh) -> str:
    """Description of the devices of a mesh."""
    devices = mesh.devices.ravel()
    kinds = ", ".join(sorted({device.device_kind for device in devices}))
    if devices[0].platform == "cpu":
        kinds = f"CPU with {os.cpu_count()} cores"
    return f"{len(devices)} x {kinds}" if len(devices) > 1 else kinds


def _with_normaliser(config: ConfigDict, normaliser: str) -> ConfigDict:
    changed = config.copy_and_resolve_references()
    changed.evaluate.normaliser = normaliser
    return changed


def _summaries_by(
    results: Mapping[str, SplitResult], config: ConfigDict, normaliser: str
) -> dict[str, dict[str, float]]:
    """Summaries of results by another normaliser."""
    changed = _with_normaliser(config, normaliser)
    summaries = {}
    for split, result in results.items():
        summaries |= summarise(split, measured_again(result, changed), config.evaluate.threshold)
    _add_official_faces(summaries, config)
    return summaries


def _add_official_faces(summaries: dict[str, dict[str, float]], config: ConfigDict) -> None:
    """Adds the official number of faces to the summaries of a part of the official dataset."""
    for name, official in datasets.official_faces(config).items():
        if name in summaries and summaries[name]["faces"] != official:
            summaries[name]["official_faces"] = official


def _write_files(
    evaluation: Evaluation, workdir: pathlib.Path, others: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> None:
    """Writes all files of an evaluation, with the summaries by other normalisers, into a folder."""
    config = evaluation.config
    workdir.mkdir(parents=True, exist_ok=True)
    analysis = report.write(evaluation, workdir)
    contents = {
        "dataset": config.data.dataset,
        "scheme": schemes.find(config.data.scheme).name,
        "normaliser": config.evaluate.normaliser,
        "normaliser_name": evaluation.normaliser,
        "threshold": config.evaluate.threshold,
        "subsets": evaluation.summaries,
        **({"other_normalisers": others} if others else {}),
    }
    if analysis:
        contents["gate"] = gate_analysis.as_json(analysis)
    text = json.dumps(_finite(contents), indent=2, allow_nan=False)
    atomic_files.write_text(workdir / METRICS_FILE, f"{text}\n")
    error_curves.draw_error_curves(
        {split: result.nme for split, result in evaluation.results.items()},
        config.evaluate.threshold,
        evaluation.normaliser,
        workdir / CED_FILE,
    )
    first = next(iter(evaluation.results.values())).sample
    drawing.draw_samples(first, evaluation.scheme, workdir / drawing.SAMPLES_FILE)


def _finite(value: Any) -> Any:
    """A value in which None (null in JSON) replaces every number that is not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate_run(workdir: pathlib.Path, choices: Choices = Choices()) -> dict[str, dict[str, float]]:  # noqa: B008
    """Runs `--mode=evaluate`: evaluates a trained network on the test splits of its run, or as a user chooses.

    If the dataset has another scheme than the network, its labels are converted to the network's scheme, or the
    network's landmarks to the dataset's scheme if the labels lack some of them.

    Args:
      workdir: run folder, or weights file.
      choices: dataset, splits, scheme and figures; the files go to `Choices.results_folder`.

    Returns:
      Summaries by subset, see `split_result.summarise`.

    Raises:
      FileNotFoundError: if the folder holds no run or no checkpoint, or the dataset has not been built.
      UserError: if the results cannot be written, the dataset lacks a split, or the schemes of run and dataset differ
        and neither can be converted to the other.
    """
    config = trained_network.read_config(workdir)
    choices.apply(config)
    out = choices.results_folder(workdir, config.data.dataset)
    labels, whole = datasets.dataset_scheme(config), schemes.find(config.data.scheme)
    predicted = (
        schemes.choose_part(whole, choices.scheme) if choices.scheme else schemes.part_for(whole, labels)
    )
    config.data.scheme = schemes.as_text(predicted)
    common = predicted if schemes.can_convert(labels, predicted) else labels
    schemes.conversion_indices(predicted, common)  # raises before the weights are read
    if jax.process_index() == 0:
        check_writable(out)
    network = trained_network.load(workdir, predicted.name)
    forward = jit_forward(network.model, config, network.mesh, common)
    if common != predicted:
        logging.warning("landmarks of %s are converted to %s", predicted.name, common.name)
        config.data.scheme = schemes.as_text(common)
    splits = choices.splits or datasets.test_splits(config, () if choices.dataset else config.data.test)
    logging.info("evaluating %s on %s", workdir, config.data.dataset)
    return evaluate_splits(
        forward, network.variables, config, splits, network.mesh, out, choices.normalisers[1:]
    )
