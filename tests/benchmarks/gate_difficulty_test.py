"""The gate against the difficulty of faces: constructed gates, figures computed by hand, agreement with hard_faces."""

import json

import numpy as np
import pytest
from scipy import stats

from benchmarks import gate_difficulty, gate_difficulty_figures, hard_faces, robustness
from benchmarks.gate_difficulty_figures import Measured
from benchmarks.labelled_faces import LabelledFaces
from dsat_jax import Predictor
from dsat_jax.inference.detections import NONE
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces.drawing import draw
from tfds_builders.synthetic_faces.parameters import Parameters
from tfds_builders.synthetic_faces.pose import Pose

CHANNELS = 128


def result(gate, name, box_size, inter_ocular=None, counts=None, disturbed=None) -> Measured:
    errors = {
        "inter_ocular": np.asarray(box_size if inter_ocular is None else inter_ocular, float),
        "landmark_box_size": np.asarray(box_size, float),
    }
    counts = None if counts is None else np.asarray(counts)
    return Measured(gate, name, errors, counts, CHANNELS, disturbed or {})


def drawn_faces(*yaws: float) -> LabelledFaces:
    """Labels of drawn faces of the given yaws in degrees, on images of random black and white squares of 8 pixels."""
    records = []
    for yaw in yaws:
        drawing = draw(Parameters(pose=Pose(yaw=yaw, distance=9000.0), head_depth=1.5))
        height, width = drawing.image.shape[:2]
        squares = np.random.default_rng(0).integers(0, 2, (height // 8 + 1, width // 8 + 1, 1))
        image = squares.repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)[:height, :width]
        visibility = np.ones(98, np.uint8)
        records.append(
            {
                "image": np.uint8(255 * image),
                "landmarks": drawing.points,
                "visibility": visibility,
                "name": b"a",
            }
        )
    return LabelledFaces("drawn", WFLW_98, records)


def flat_gate(crops: np.ndarray, mirror: bool) -> Landmarks:
    """A gate that opens the more channels, the smaller the contrast of a crop is; the landmarks are its middle."""
    contrast = np.array([crop.std() for crop in crops])
    gates = (np.arange(CHANNELS) < CHANNELS - contrast[:, None]).astype(np.float32)
    return Landmarks(np.full((len(crops), 98, 2), 15.5, np.float32), None, gates)


def test_a_gate_that_opens_channels_for_blurred_and_covered_faces_has_a_rho_of_1():
    network = gate_difficulty.Network(
        "learned", "flat", Predictor(flat_gate, WFLW_98, 32, 0.1, lambda _: NONE)
    )
    data = drawn_faces(0.0, 0.0, 0.0)
    measured = gate_difficulty.measure(network, data, gate_difficulty.DISTURBANCES)
    assert measured.channels == CHANNELS
    for name in gate_difficulty.DISTURBANCES:
        counts, strengths = measured.disturbed[name], robustness.SERIES[name].strengths
        assert counts.shape == (3, len(strengths))
        np.testing.assert_array_equal(counts[:, 0], measured.open_counts)
        assert (np.diff(counts, axis=1) > 0).all()
    # The three images are equal, and so are their counts at each strength of the blur.
    rows = gate_difficulty_figures.correlations([measured], gate_difficulty.absolute_yaw(data))
    blur = next(row for row in rows if row["difficulty"] == "blur")
    assert (blur["rho"], blur["low"], blur["high"]) == pytest.approx((1.0, 1.0, 1.0))
    assert (blur["lowest"], blur["highest"]) == (
        measured.disturbed["blur"][0, 0],
        measured.disturbed["blur"][0, -1],
    )
    assert [row["difficulty"] for row in rows] == ["error", "yaw", "blur", "cover"]
    assert np.isnan(rows[0]["rho"])  # the counts of equal images do not vary


def test_errors_are_those_of_the_predicted_landmarks():
    """The middle of the crop is the middle of the box, half the diagonal away from its corners."""
    network = gate_difficulty.Network(
        "learned", "flat", Predictor(flat_gate, WFLW_98, 32, 0.1, lambda _: NONE)
    )
    data = drawn_faces(0.0)
    measured = gate_difficulty.measure(network, data, ())
    box, points = data[0]["box"], data[0]["landmarks"]
    distance = np.linalg.norm(points - (box[:2] + box[2:]) / 2, axis=1).mean()
    assert measured.errors["landmark_box_size"][0] == pytest.approx(
        distance / np.sqrt((box[2:] - box[:2]).prod()), rel=1e-4
    )


def test_a_constructed_gate_is_correlated_with_its_own_error_the_mean_error_and_the_yaw():
    error = np.arange(1.0, 21.0)
    opening = result("learned", "opening", error, counts=3 * np.arange(20))
    closing = result("released", "closing", error[::-1], counts=3 * np.arange(20))
    without = result("none", "none", 10 * error)
    yaw = np.r_[error[:-1], np.nan]
    rows = gate_difficulty_figures.correlations([opening, closing, without], yaw)
    figures = {(row["network"], row["difficulty"]): row for row in rows}
    assert len(figures) == 6  # none for the network without a gate
    assert figures["opening", "error"]["rho"] == pytest.approx(1)
    assert figures["closing", "error"]["rho"] == pytest.approx(-1)
    assert figures["closing", "mean error of all networks"]["rho"] == pytest.approx(1)
    assert figures["opening", "yaw"]["faces"] == 19
    assert figures["opening", "error"]["low"] == pytest.approx(1)
    # Two of 20 faces are a tenth: 0 and 3, 54 and 57 open channels; the last face has no yaw.
    assert figures["opening", "error"]["lowest"] == 1.5
    assert figures["opening", "error"]["highest"] == pytest.approx((51 + 54 + 57) / 3)
    assert figures["closing", "error"]["lowest"] == 55.5


def test_the_interval_over_strengths_is_that_of_resampled_faces():
    random = np.random.default_rng(3)
    strengths = (0.0, 0.1, 0.25, 0.4)
    counts = random.integers(0, 20, (30, 1)) + np.rint(
        10 * np.multiply.outer(random.normal(1, 2, 30), strengths)
    )
    correlation = gate_difficulty_figures.spearman_over_strengths(counts, strengths)
    difficulty = np.tile(strengths, (30, 1))
    assert correlation.rho == pytest.approx(stats.spearmanr(counts.ravel(), difficulty.ravel()).statistic)
    assert correlation.low < correlation.rho < correlation.high
    assert correlation.faces == 30
    ranks = stats.rankdata(counts).reshape(counts.shape)
    drawn = random.integers(0, 30, (2000, 30))
    resampled = [stats.pearsonr(ranks[i].ravel(), difficulty_ranks(strengths)).statistic for i in drawn]
    np.testing.assert_allclose(
        [correlation.low, correlation.high], np.percentile(resampled, [2.5, 97.5]), atol=0.03
    )


def difficulty_ranks(strengths: tuple[float, ...], faces: int = 30) -> np.ndarray:
    return np.tile(stats.rankdata(strengths), faces)


def test_faces_and_not_rows_are_resampled():
    """Half of the faces open channels with the strength and half close them; rows would give a third of the width."""
    strengths = tuple(np.arange(10.0))
    rising = np.tile(np.arange(10.0), (10, 1))
    correlation = gate_difficulty_figures.spearman_over_strengths(np.r_[rising, rising[:, ::-1]], strengths)
    assert correlation.rho == pytest.approx(0)
    # The rho of a resample is the mean of 20 signs, whose standard deviation is 1 / sqrt(20).
    assert correlation.high - correlation.low == pytest.approx(2 * 1.96 / np.sqrt(20), abs=0.1)
    assert np.isnan(gate_difficulty_figures.spearman_over_strengths(np.ones((4, 10)), strengths).rho)


def test_halves_and_the_hardest_tenth_by_hand():
    """Mean errors are 3, 1, 5, 2 and 4; the face without an error is left out."""
    first, second = [2, 1, 5, 3, 4, np.nan], [4, 1, 5, 1, 4, 0.5]
    results = [result("learned", "a", first), result("none", "b", second)]
    subsets = gate_difficulty_figures.subsets(results)
    assert {name: faces.tolist() for name, faces in subsets.items()} == {
        "all": [1, 3, 0, 4, 2],
        "easy half": [1, 3],
        "hard half": [0, 4, 2],
        "hardest tenth": [2],
    }
    assert len(gate_difficulty_figures.subsets([result("none", "a", np.arange(21.0))])["hardest tenth"]) == 3


def test_means_of_seeds_and_the_difference_by_hand():
    results = [
        result("learned", "a", [0.01, 0.02, 0.05, 0.06], inter_ocular=[0.02, np.nan, 0.04, 0.06]),
        result("learned", "b", [0.01, 0.04, 0.03, 0.08], inter_ocular=[0.02, np.nan, 0.06, 0.08]),
        result("none", "c", [0.02, 0.02, 0.06, 0.09], inter_ocular=[0.03, np.nan, 0.07, 0.09]),
        result("none", "d", [0.02, 0.02, 0.06, 0.09], inter_ocular=[0.03, np.nan, 0.07, 0.09]),
    ]
    rows = {(row["faces"], row["gate"]): row for row in gate_difficulty_figures.error_rows(results)}
    hard = rows["hard half", "learned"]
    assert hard["count"] == 2
    assert hard["landmark_box_size"]["mean"] == pytest.approx(5.5)
    assert hard["landmark_box_size"]["networks"] == pytest.approx([5.5, 5.5])
    assert rows["easy half", "learned"]["landmark_box_size"]["networks"] == pytest.approx([1.5, 2.5])
    # Differences of the hard faces: 4 - 6 and 7 - 9 by box size, 5 - 7 and 7 - 9 by the eye corners.
    for normaliser in hard_faces.NORMALISERS:
        difference = rows["hard half", "learned - none"][normaliser]
        assert (difference["mean"], *difference["interval"]) == pytest.approx((-2, -2, -2))
    # Of the easy faces: 1 - 2 and 3 - 2 by box size; the second one has no NME.
    by_size = rows["easy half", "learned - none"]["landmark_box_size"]
    assert (by_size["mean"], *by_size["interval"]) == pytest.approx((0, -1, 1))
    assert rows["easy half", "learned - none"]["inter_ocular"]["interval"] == pytest.approx([-1, -1])
    lines = gate_difficulty_figures.error_table([{"data": "made", **row} for row in rows.values()])
    assert "| made | easy half | 2 | learned | 2.00 (2.00, 2.00) | 2.00 (1.50, 2.50) |" in lines
    assert (
        "| made | hard half | 2 | learned - none | -2.00 (-2.00 to -2.00) | -2.00 (-2.00 to -2.00) |" in lines
    )


def test_the_absolute_yaw_is_that_of_the_drawn_head():
    data = drawn_faces(0.0, -40.0, 40.0, 55.0)
    data.records[2]["visibility"][5] = 0
    np.testing.assert_allclose(gate_difficulty.absolute_yaw(data), [0, 40, np.nan, 55], atol=3.5)


def test_a_split_has_the_errors_of_hard_faces(network_path, tiny_dataset, tmp_path, capsys):
    options = ["--split=synthetic_faces/tiny:test[:4]", f"--data_dir={tiny_dataset}"]
    gate_difficulty.main([f"none={network_path}", *options, f"--out={tmp_path / 'figures.json'}"])
    contents = json.loads((tmp_path / "figures.json").read_text())
    assert contents["correlations"] == []
    row = contents["errors"][0]
    hard_faces.main([str(network_path), *options])
    lines = capsys.readouterr().out.splitlines()
    cells = next(line for line in lines if f"test[:4] | {network_path} |" in line).split(" | ")
    assert (row["faces"], row["count"]) == ("all", int(cells[3]))
    assert row["inter_ocular"]["mean"] == pytest.approx(float(cells[5]), abs=0.006)
    assert row["landmark_box_size"]["mean"] == pytest.approx(float(cells[6]), abs=0.006)


@pytest.mark.parametrize(
    ("networks", "options", "message"),
    [
        ("learned={}", ["--folder=."], "found no .pts file"),
        ("none={}", [], "neither --folder nor --split"),
        ("none={}", ["--split", "--wrong=a"], "found --wrong and 0 folders"),
        ("{}", ["--split"], "expected GATE=NETWORK,NETWORK"),
        ("none={},", ["--split"], "expected GATE=NETWORK,NETWORK"),
        ("learned={}", ["--split"], "has the gate 'none', expected 'learned'"),
    ],
)
def test_bad_arguments_are_an_error_of_one_sentence(
    network_path, tiny_dataset, tmp_path, monkeypatch, capsys, networks, options, message
):
    monkeypatch.chdir(tmp_path)
    options = ["--split=synthetic_faces/tiny:test[:2]" if each == "--split" else each for each in options]
    options.append(f"--data_dir={tiny_dataset}")
    with pytest.raises(SystemExit):
        gate_difficulty.main([networks.format(network_path), *options])
    assert message in capsys.readouterr().err
