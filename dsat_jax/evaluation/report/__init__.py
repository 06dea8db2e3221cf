"""The report of an evaluation: one self-contained HTML page, and a table of faces."""

import datetime
import html
import pathlib

from dsat_jax import metrics
from dsat_jax.evaluation.gate_analysis import GateAnalysis
from dsat_jax.evaluation.report import accuracy, calibration, faces_csv, gate, mean_face, speed, worst_faces
from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation, distinct_faces
from dsat_jax.evaluation.report.page import number, page, tiles
from dsat_jax.evaluation.result_files import FACES_FILE, REPORT_FILE
from dsat_jax.files import atomic_files

__all__ = ["Evaluation", "write"]


def write(evaluation: Evaluation, folder: pathlib.Path) -> GateAnalysis | None:
    """Writes report.html and faces.csv.

    Args:
      evaluation: evaluation to report.
      folder: folder of the files.

    Returns:
      Analysis of the gate; None for a model without one.

    Raises:
      OSError: if the files cannot be written.
    """
    faces_csv.write(evaluation, folder / FACES_FILE)
    faces = distinct_faces(evaluation)
    analysis = gate.analysis_of(evaluation, faces)
    atomic_files.write_text(folder / REPORT_FILE, _report(evaluation, faces, analysis))
    return analysis


def _report(evaluation: Evaluation, faces: DistinctFaces, analysis: GateAnalysis | None) -> str:
    """The page as HTML."""
    config = evaluation.config
    sections = [
        accuracy.section(evaluation),
        mean_face.section(evaluation, faces),
        worst_faces.section(evaluation, faces),
        calibration.section(evaluation, faces),
        gate.section(evaluation, faces, analysis) if analysis else None,
        speed.section(evaluation),
    ]
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return page(
        f"{config.name} on {config.data.dataset}",
        _head(evaluation, faces),
        [section for section in sections if section],
        f"Written by dsat_jax, {when}. {FACES_FILE} in the same folder has one line for each face. The images are "
        "the dataset's, under its terms of use.",
    )


def _head(evaluation: Evaluation, faces: DistinctFaces) -> str:
    """A sentence on the network and the dataset, and the main figures, as HTML."""
    config, result = evaluation.config, faces.result
    whole = metrics.summary(result.nme, config.evaluate.threshold)
    percent = f"{100 * config.evaluate.threshold:g}"
    with_gate = f", {config.model.gate} gate" if result.open_channels is not None else ""
    sentence = (
        f"{config.model.name.upper()}{with_gate}, {evaluation.parameters:,} parameters, "
        f"{config.input.size} x {config.input.size} pixels, {evaluation.scheme.num_points} landmarks "
        f"({evaluation.scheme.name}). Errors are given as shares of the {evaluation.normaliser_in_words}."
    )
    figures = [
        (number(whole["nme"]), "%", f"NME ({evaluation.normaliser})"),
        (number(whole["fr"]), "%", f"failures, NME > {percent} %"),
        (number(whole["auc"], 1), "%", f"AUC up to {percent} %"),
        (f"{whole['faces']:,}", "", "distinct faces" if len(evaluation.results) > 1 else "faces"),
    ]
    milliseconds = speed.milliseconds_per_face(evaluation)
    if milliseconds is not None:
        figures.append((number(milliseconds, 1), "ms", "per face, network only"))
    return f"<p>{html.escape(sentence)}</p>{tiles(figures)}"
