"""Comparison of runs: the table, the bootstrap interval, and errors for runs that cannot be compared."""

import json
import re

import cv2
import numpy as np
import pytest

from dsat_jax.evaluation import comparison, evaluated_runs
from dsat_jax.evaluation.result_files import FACES_FILE, METRICS_FILE


def evaluated(folder, faces, dataset="w300", normaliser="inter_ocular", scheme="w300_68", others=None):
    """Writes the files of an evaluation; faces are (split, record, NME in percent)."""
    folder.mkdir(parents=True)
    measured = {
        "dataset": dataset,
        "scheme": scheme,
        "normaliser": normaliser,
        "threshold": 0.08,
        "subsets": {},
        **({"other_normalisers": others} if others else {}),
    }
    (folder / METRICS_FILE).write_text(json.dumps(measured))
    head = f"split,record,name,nme_{normaliser}_percent,pose,open_channels\n"
    rows = "".join(f'{split},{record},"a, {record}.jpg",{nme},1,\n' for split, record, nme in faces)
    (folder / FACES_FILE).write_text(head + rows)
    return folder


FIRST = [("common", 0, 4.0), ("common", 1, 6.0), ("common", 2, ""), ("challenging", 0, 10.0)]
# The same faces in another order.
SECOND = [("common", 1, 5.0), ("common", 0, 3.0), ("common", 2, ""), ("challenging", 0, 10.5)]


def test_the_table_has_the_figures_computed_by_hand(tmp_path, capsys):
    first, second = evaluated(tmp_path / "one", FIRST), evaluated(tmp_path / "two", SECOND)
    rows = comparison.compare_runs([first, second], tmp_path / "out")
    figures = [(row.split, row.run, row.faces, row.nme, row.fr, row.auc) for row in rows]
    assert figures == [
        ("common", "one", 2, pytest.approx(5.0), 0.0, pytest.approx(100 * (0.5 + 0.25) / 2)),
        ("common", "two", 2, pytest.approx(4.0), 0.0, pytest.approx(100 * (0.625 + 0.375) / 2)),
        ("challenging", "one", 1, pytest.approx(10.0), 100.0, 0.0),
        ("challenging", "two", 1, pytest.approx(10.5), 100.0, 0.0),
    ]
    assert np.isnan([rows[0].difference, rows[2].difference]).all()
    assert (rows[1].difference, rows[1].low, rows[1].high) == pytest.approx((-1.0, -1.0, -1.0))
    lines = (tmp_path / "out/comparison.tsv").read_text().splitlines()
    assert lines[0].split("\t")[2:4] == ["faces", "NME (inter-ocular) %"]
    two = ["common", "two", "2", "4.00", "0.00", "50.00", "-1.000", "-1.000 to -1.000"]
    assert lines[2].split("\t") == two
    assert "FR@8 %" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "out/comparison.png")).shape[:2] == (540, 1200)  # a panel for each split


def test_the_table_has_the_nme_by_the_normalisers_of_all_runs(tmp_path):
    def by_pupils(common, challenging):
        return {"inter_pupil": {"common": {"nme": common}, "challenging": {"nme": challenging}}}

    size = {"box_size": {"common": {"nme": 1.0}, "challenging": {"nme": 2.0}}}
    runs = [
        evaluated(tmp_path / "one", FIRST, others=by_pupils(0.0, 14.0) | size),
        evaluated(tmp_path / "two", SECOND, others=by_pupils(5.678, None)),
    ]
    comparison.compare_runs(runs, tmp_path / "out")
    lines = [line.split("\t") for line in (tmp_path / "out/comparison.tsv").read_text().splitlines()]
    assert lines[0][5:8] == ["AUC@8 %", "NME (inter-pupil) %", "NME - one"]
    assert [line[6] for line in lines[1:]] == ["0.00", "5.68", "14.00", "nan"]


def test_the_report_names_the_faces_that_differ_most(tmp_path):
    second = [("common", 0, 4.5), ("common", 1, 3.0), ("common", 2, ""), ("challenging", 0, 10.5)]
    runs = [evaluated(tmp_path / "one", FIRST), evaluated(tmp_path / "two", second)]
    comparison.compare_runs(runs, tmp_path / "out")
    page = (tmp_path / "out/comparison.html").read_text()
    cells = re.findall(
        r"<t[hd][^>]*>([^<]*)</t[hd]>", page[page.index('id="split-0"') : page.index('id="split-1"')]
    )
    assert cells == [
        *("face", "one, %", "two, %", "difference"),
        *("a, 1.jpg", "6.00", "3.00", "\N{MINUS SIGN}3.00"),
        *("a, 0.jpg", "4.00", "4.50", "0.50"),
    ]
    assert page.count("<svg") == 2  # the error curves of each split


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"normaliser_name": "distance of landmarks 0 and 1"}, "distance of landmarks 0 and 1"),
        ({}, "inter-ocular"),  # a file of an earlier version
        (
            {"scheme": "five"},
            "inter_ocular",
        ),  # the same of a custom scheme, whose landmarks are not in the file
    ],
)
def test_the_normaliser_has_the_name_that_the_evaluation_prints(tmp_path, fields, name):
    folder = evaluated(tmp_path / "one", FIRST)
    contents = json.loads((folder / METRICS_FILE).read_text()) | fields
    (folder / METRICS_FILE).write_text(json.dumps(contents))
    assert evaluated_runs.read_errors(folder).normaliser == name


def test_the_interval_is_that_of_the_normal_distribution_for_many_faces():
    differences = np.random.default_rng(0).normal(0.3, 2.0, 2000)
    low, high = comparison.bootstrap_interval(differences)
    error = 1.96 * differences.std() / np.sqrt(2000)
    assert low == pytest.approx(differences.mean() - error, abs=0.04 * error)
    assert high == pytest.approx(differences.mean() + error, abs=0.04 * error)
    assert comparison.bootstrap_interval(differences) == (low, high)
    assert comparison.bootstrap_interval(differences, seed=1) != (low, high)


def test_the_interval_of_few_faces(monkeypatch):
    """Resamples of two faces have the means 0, 1 and 2 with probabilities 1/4, 1/2 and 1/4."""
    assert comparison.bootstrap_interval(np.array([3.0])) == (3.0, 3.0)
    assert comparison.bootstrap_interval(np.array([0.0, 2.0])) == (0.0, 2.0)
    assert comparison.bootstrap_interval(np.array([2.0, 2.0])) == (2.0, 2.0)
    monkeypatch.setattr(comparison, "_VALUES_AT_ONCE", 7)
    assert comparison.bootstrap_interval(np.array([0.0, 2.0])) == (0.0, 2.0)


def test_errors_that_are_not_finite_have_no_interval(tmp_path):
    assert np.isnan(comparison.bootstrap_interval(np.array([]))).all()
    failed = [("common", 0, "inf"), ("common", 1, 5.0), ("common", 2, ""), ("challenging", 0, 10.5)]
    runs = [evaluated(tmp_path / "one", FIRST), evaluated(tmp_path / "two", failed)]
    row = comparison.compare_runs(runs, tmp_path / "out")[1]
    assert row.nme == np.inf
    assert np.isnan([row.difference, row.low, row.high]).all()


def test_runs_of_the_same_name_get_longer_names(tmp_path):
    runs = [evaluated(tmp_path / name / "w300", FIRST) for name in ("a", "b")]
    rows = comparison.compare_runs(runs, tmp_path / "out")
    assert [row.run for row in rows[:2]] == ["a/w300", "b/w300"]


@pytest.mark.parametrize(
    ("faces", "more", "message"),
    [
        (FIRST, {"dataset": "wflw"}, "dataset is w300 in the first and wflw in the second"),
        (
            FIRST,
            {"normaliser": "box_size"},
            "normaliser is inter_ocular in the first and box_size in the second",
        ),
        (FIRST, {"scheme": "aflw_19"}, "scheme is w300_68 in the first and aflw_19 in the second"),
        (FIRST[:3], {}, "splits are common, challenging in the first and common in the second"),
        ([*FIRST, ("common", 7, 1.0)], {}, r"record 7 \(a, 7.jpg\) of common is not in both"),
    ],
)
def test_runs_on_other_data_are_refused(tmp_path, faces, more, message):
    first = evaluated(tmp_path / "one", FIRST)
    second = evaluated(tmp_path / "two", faces, **more)
    with pytest.raises(ValueError, match=rf"one and .*two cannot be compared: {message}"):
        comparison.compare_runs([first, second], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 0: no column split"),
        ("split,record,name\n", "no column nme_inter_ocular_percent"),
        ("split,record,name,nme_inter_ocular_percent\n", "holds no face"),
        ("split,record,name,nme_inter_ocular_percent\na,b,c,1\n", "line 2: invalid literal"),
        ("split,record,name,nme_inter_ocular_percent\na,1,c,x\n", "line 2: could not convert"),
        ("split,record,name,nme_inter_ocular_percent\na\n", r"line 2: int\(\) argument"),
        ("split,record,name,nme_inter_ocular_percent\na,1,c\n", "line 2: too few columns"),
        ("split,record,name,nme_inter_ocular_percent\na,1,c,2\na,1,c,2\n", "record 1 of a occurs twice"),
    ],
)
def test_the_error_message_names_a_damaged_file(tmp_path, text, message):
    folder = evaluated(tmp_path / "one", FIRST)
    (folder / FACES_FILE).write_text(text)
    with pytest.raises(ValueError, match=rf"faces\.csv.*{message}"):
        evaluated_runs.read_errors(folder)


def test_folders_without_an_evaluation_are_refused(tmp_path):
    folder = evaluated(tmp_path / "one", FIRST)
    for runs in ([folder], [folder, tmp_path / "two/../one"]):
        with pytest.raises(ValueError, match="at least two runs, each named once"):
            comparison.compare_runs(runs, tmp_path / "out")
    (folder / FACES_FILE).unlink()
    with pytest.raises(FileNotFoundError, match=r"one holds no faces\.csv: run --mode=evaluate"):
        evaluated_runs.read_errors(folder)
    (folder / FACES_FILE).touch()
    for text in (
        "[]",
        "{}",
        '{"dataset": "a", "scheme": "b", "normaliser": "c", "threshold": "d"}',
        '{"dataset": "a", "scheme": "w300_68", "normaliser": "inter_ocular", "threshold": NaN}',
    ):
        (folder / METRICS_FILE).write_text(text)
        with pytest.raises(ValueError, match=r"metrics\.json has no dataset"):
            evaluated_runs.read_errors(folder)


def test_image_names_may_contain_any_character(tmp_path):
    folder = evaluated(tmp_path / "one", FIRST)
    text = (folder / FACES_FILE).read_text()
    (folder / FACES_FILE).write_text(text.replace("a, 0.jpg", "a\u2028b\x0c.jpg"))
    names = [name for _, name in evaluated_runs.read_errors(folder).nme["common"]]
    assert "a\u2028b\x0c.jpg" in names
