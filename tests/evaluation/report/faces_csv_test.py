"""The table of faces."""

import csv

import pytest
from made_evaluation import made_evaluation

from dsat_jax.evaluation.report import faces_csv


def rows_of(evaluation, path) -> list[dict[str, str]]:
    """Writes and reads the table."""
    faces_csv.write(evaluation, path)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_line_for_each_face_of_each_split(tmp_path):
    evaluation = made_evaluation(faces=6, overlapping=True)
    rows = rows_of(evaluation, tmp_path / "faces.csv")
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


def test_cells_of_unknown_values_are_empty(tmp_path):
    evaluation = made_evaluation(faces=2, gate=None, confidence=False)
    evaluation.results["test"].nme[1] = float("nan")
    row = rows_of(evaluation, tmp_path / "faces.csv")[1]
    assert (row["nme_inter_ocular_percent"], row["open_channels"], row["mean_confidence"]) == ("", "", "")
