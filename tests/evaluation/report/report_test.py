"""Reports of evaluations made by hand."""

import csv
import dataclasses
import re

import numpy as np
import pytest
from made_evaluation import drawn_face, made_evaluation, made_record

from dsat_jax import metrics
from dsat_jax.evaluation import report, split_result
from dsat_jax.evaluation.report import calibration, gate, mean_face
from dsat_jax.evaluation.report.evaluation import NORMALISERS_IN_WORDS, distinct_faces, picture_names
from dsat_jax.schemes import W300_68


def sections(folder) -> list[str]:
    """The ids of the report's sections."""
    return re.findall(r'<section id="(\w+)"', (folder / report.REPORT_FILE).read_text())


def test_all_sections_are_there_and_nothing_is_fetched(tmp_path):
    analysis = report.write(made_evaluation(), tmp_path)
    page = (tmp_path / report.REPORT_FILE).read_text()
    assert sections(tmp_path) == ["accuracy", "landmarks", "worst", "calibration", "gate", "speed"]
    assert analysis.switching == 15  # the last of the 16 channels is always open
    assert len(page) < 5_000_000
    assert "inter-ocular distance (of the outer eye corners)" in page
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', page)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert page.count('src="data:image/jpeg;base64,') == 24
    assert not re.search(r"https?://|@import|url\(", page)
    assert "nan" not in page.replace("nanosecond", "")
    assert "folder/&lt;39&gt;.jpg" in page  # names are text, whatever they hold


def test_a_model_without_gate_and_confidence_has_no_such_sections(tmp_path):
    assert report.write(made_evaluation(gate=None, confidence=False, attributes=()), tmp_path) is None
    assert sections(tmp_path) == ["accuracy", "landmarks", "worst", "speed"]


def test_the_released_gate_is_called_what_it_does(tmp_path):
    report.write(made_evaluation(gate="released"), tmp_path)
    assert "doubles the channels it opens and closes none" in (tmp_path / report.REPORT_FILE).read_text()


def with_errors(evaluation: report.Evaluation, **fields: np.ndarray) -> report.Evaluation:
    """The evaluation with other fields in the result of its split `test`."""
    changed = dataclasses.replace(evaluation.results["test"], **fields)
    summaries = split_result.summarise("test", changed, evaluation.config.evaluate.threshold)
    return dataclasses.replace(evaluation, results={"test": changed}, summaries=summaries)


def test_faces_without_a_normaliser_are_reported_too(tmp_path):
    nothing = {"nme": np.full(40, np.nan), "errors": np.full((40, 68), np.nan)}
    report.write(with_errors(made_evaluation(), **nothing), tmp_path)
    assert sections(tmp_path) == ["accuracy", "worst", "calibration", "gate", "speed"]


def test_predictions_that_are_no_numbers_are_the_worst(tmp_path):
    evaluation = made_evaluation()
    result = evaluation.results["test"]
    predicted, errors, nme = result.predicted.copy(), result.errors.copy(), result.nme.copy()
    predicted[3], errors[3], nme[3] = np.nan, np.inf, np.inf
    report.write(with_errors(evaluation, predicted=predicted, errors=errors, nme=nme), tmp_path)
    page = (tmp_path / report.REPORT_FILE).read_text()
    assert page.index("&lt;3&gt;.jpg") < page.index("&lt;39&gt;.jpg")
    assert len(sections(tmp_path)) == 6


def test_few_faces_are_enough(tmp_path):
    report.write(made_evaluation(faces=2), tmp_path)
    assert len(sections(tmp_path)) == 6


def test_a_line_for_each_face_of_each_split(tmp_path):
    evaluation = made_evaluation(faces=6, overlapping=True)
    report.write(evaluation, tmp_path)
    with (tmp_path / report.FACES_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["test"] * 6 + ["part"] * 3
    assert list(rows[0]) == [
        "split",
        "record",
        "name",
        "nme_inter_ocular_percent",
        "pose",
        "blur",
        "open_channels",
        "mean_confidence",
    ]
    result = evaluation.results["test"]
    assert rows[4]["name"] == "folder/<4>.jpg"
    assert float(rows[4]["nme_inter_ocular_percent"]) == pytest.approx(100 * result.nme[4], abs=1e-4)
    assert int(rows[4]["open_channels"]) == result.open_channels[4].sum()
    assert int(rows[4]["pose"]) == result.attributes["pose"][4]
    assert rows[7]["name"] == rows[4]["name"]


def test_faces_of_two_splits_count_once_in_the_whole():
    faces = distinct_faces(made_evaluation(faces=6, overlapping=True))
    assert len(faces.result.nme) == 6
    assert faces.split == ["test"] * 6
    assert list(faces.result.attributes) == ["pose", "blur"]  # in the dataset's order


def test_several_faces_of_a_picture_have_names_of_their_own():
    labels = drawn_face(np.random.default_rng(0))
    source = [made_record(3, labels), made_record(3, labels) | {"face": np.int32(2)}]
    assert picture_names(source, np.array([1, 0])) == ["folder/<3>.jpg#2", "folder/<3>.jpg"]


def test_the_tab_separated_table_names_the_normaliser():
    evaluation = made_evaluation()
    lines = split_result.tab_separated(evaluation.summaries, evaluation.config).splitlines()
    assert lines[0].split("\t") == ["subset", "faces", "NME (inter-ocular, %)", "FR@8 (%)", "AUC@8 (%)"]
    assert lines[1].split("\t")[:3] == ["test", "40", f"{evaluation.summaries['test']['nme']:.2f}"]


def test_every_normaliser_has_words():
    assert NORMALISERS_IN_WORDS.keys() == metrics.NORMALISERS.keys()


def test_bins_of_confidence_by_hand():
    confidence = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, np.nan]])
    errors = np.array([[0.5, 0.01], [0.3, 0.03], [np.inf, 0.2]])
    found = calibration.calibrate(confidence, errors, np.array([0.25, 0.17, np.nan]), bins=2)
    np.testing.assert_allclose(found.confidence, [0.15, 0.85])
    np.testing.assert_allclose(found.error, [40, 2])
    assert found.of_landmarks == pytest.approx(-1)


def test_the_mean_of_turned_and_scaled_faces_is_the_face():
    rng = np.random.default_rng(0)
    face = drawn_face(rng)
    shape = (face[:, 0] + 1j * face[:, 1]) - (face[:, 0] + 1j * face[:, 1]).mean()
    factors = rng.uniform(0.5, 2, 9) * np.exp(1j * np.linspace(-0.4, 0.4, 9))
    moved = shape * factors[:, None] + rng.normal(size=(9, 1)) * 50
    labels = np.stack([moved.real, moved.imag], axis=-1)
    labels[2, 5] = labels[7, 60] = np.nan
    mean, factor, used = mean_face.aligned(labels)
    assert used.all()
    np.testing.assert_allclose(mean, shape / np.sqrt((np.abs(shape) ** 2).mean()), atol=1e-6)
    np.testing.assert_allclose(factor * factors, np.full(9, (factor * factors)[0]), atol=1e-6)


def test_a_symmetric_face_has_no_asymmetry():
    permutation = W300_68.mirror_permutation
    rng = np.random.default_rng(0)
    points = rng.normal(size=(68, 2))
    points = (points + points[permutation] * [-1, 1]) / 2
    turned = points @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 3 + 7
    sheared = points * [1, 1] + np.abs(points[:, :1]) * [0.5, 0]
    unknown = np.where(np.arange(68)[:, None] == 3, np.nan, points)
    found = gate.asymmetry(np.stack([points, turned, sheared, unknown]), W300_68)
    np.testing.assert_allclose(found[:2], 0, atol=1e-6)
    assert found[2] > 0.1
    assert np.isnan(found[3])
