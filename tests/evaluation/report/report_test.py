"""Reports of artificial evaluations."""

import dataclasses
import re

import numpy as np
from made_evaluation import made_evaluation

from dsat_jax.evaluation import report, split_result
from dsat_jax.evaluation.result_files import FACES_FILE, REPORT_FILE


def sections(folder) -> list[str]:
    """The ids of the report's sections."""
    return re.findall(r'<section id="(\w+)"', (folder / REPORT_FILE).read_text())


def test_the_page_has_all_sections_and_loads_nothing(tmp_path):
    analysis = report.write(made_evaluation(), tmp_path)
    assert len((tmp_path / FACES_FILE).read_text().splitlines()) == 41
    page = (tmp_path / REPORT_FILE).read_text()
    assert sections(tmp_path) == ["accuracy", "landmarks", "worst", "calibration", "gate", "speed"]
    assert analysis.switching == 15  # the last of the 16 channels is always open
    assert len(page) < 5_000_000
    assert "inter-ocular distance (of the outer eye corners)" in page
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', page)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert page.count('src="data:image/jpeg;base64,') == 24
    assert not re.search(r"https?://|@import|url\(", page)
    assert "nan" not in page.replace("nanosecond", "")
    assert "folder/&lt;39&gt;.jpg" in page  # names are escaped


def test_a_model_without_gate_and_confidence_has_no_such_sections(tmp_path):
    assert report.write(made_evaluation(gate=None, confidence=False, attributes=()), tmp_path) is None
    assert sections(tmp_path) == ["accuracy", "landmarks", "worst", "speed"]


def test_the_released_gate_is_described(tmp_path):
    report.write(made_evaluation(gate="released"), tmp_path)
    assert "doubles the channels it opens and closes none" in (tmp_path / REPORT_FILE).read_text()


def with_errors(evaluation: report.Evaluation, **fields: np.ndarray) -> report.Evaluation:
    """Returns the evaluation with changed fields in the result of its split `test`."""
    changed = dataclasses.replace(evaluation.results["test"], **fields)
    summaries = split_result.summarise("test", changed, evaluation.config.evaluate.threshold)
    return dataclasses.replace(evaluation, results={"test": changed}, summaries=summaries)


def test_faces_without_a_normaliser_have_a_report(tmp_path):
    unknown = {"nme": np.full(40, np.nan), "errors": np.full((40, 68), np.nan)}
    report.write(with_errors(made_evaluation(), **unknown), tmp_path)
    assert sections(tmp_path) == ["accuracy", "worst", "calibration", "gate", "speed"]


def test_predictions_that_are_not_finite_are_the_worst(tmp_path):
    evaluation = made_evaluation()
    result = evaluation.results["test"]
    predicted, errors, nme = result.predicted.copy(), result.errors.copy(), result.nme.copy()
    predicted[3], errors[3], nme[3] = np.nan, np.inf, np.inf
    report.write(with_errors(evaluation, predicted=predicted, errors=errors, nme=nme), tmp_path)
    page = (tmp_path / REPORT_FILE).read_text()
    assert page.index("&lt;3&gt;.jpg") < page.index("&lt;39&gt;.jpg")
    assert len(sections(tmp_path)) == 6


def test_two_faces_are_enough(tmp_path):
    report.write(made_evaluation(faces=2), tmp_path)
    assert len(sections(tmp_path)) == 6
