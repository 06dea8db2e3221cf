"""Errors of predictions in original pixels, and the tables of their summaries."""

import numpy as np
import pytest
from made_evaluation import made_evaluation, made_result

from configs import synthetic
from dsat_jax import geometry
from dsat_jax.config import default
from dsat_jax.evaluation import split_result


@pytest.mark.parametrize(
    ("normaliser", "size"),
    [("box_diagonal", 50.0), ("box_size", np.sqrt(30 * 40)), ("landmark_box_size", np.sqrt(10 * 90))],
)
def test_boxes_normalise_in_original_pixels(normaliser, size):
    """Labels in a 10 x 90 box of the original image, errors of 6 pixels; the last label is unknown and far away."""
    config = synthetic.get_config()
    config.data.scheme, config.evaluate.normaliser = "w300_68", normaliser
    labels = np.random.default_rng(0).uniform((0, 0), (10, 90), (1, 68, 2))
    labels[0, :3] = (0, 0), (10, 90), (5, 50)
    labels[0, 67] = (-500, 900)
    half = np.array([[2.0, 0.0, 7.0], [0.0, 2.0, -3.0]])  # input pixels to original pixels
    from_original = geometry.invert(half)
    rows = {
        "points": geometry.transform_points(from_original, labels),
        "predicted": geometry.transform_points(from_original, labels + np.array([6, 0])),
        "weights": np.where(np.arange(68) == 67, 0.0, 1.0)[None],
        "occluded": np.zeros((1, 68), bool),
        "to_original": half[None],
        "box": np.array([[-5.0, 10.0, 25.0, 50.0]]),
        "record": np.array([7]),
    }
    result = split_result.measure(rows, config, sample={})
    np.testing.assert_allclose(result.nme, [6 / size])
    np.testing.assert_allclose(result.predicted - labels, np.broadcast_to([6, 0], labels.shape), atol=1e-9)
    np.testing.assert_allclose(result.errors[0, :67], 6 / size)
    assert np.isnan(result.errors[0, 67])
    assert np.isnan(result.labels[0, 67]).all()
    assert result.record == [7]
    assert result.point_groups == {}


def test_occluded_landmarks_have_a_summary():
    """Two faces with an inter-ocular distance of 10 pixels; errors of 2 for occluded landmarks, 1 for the others."""
    config = synthetic.get_config()
    config.data.scheme = "w300_68"
    labels = np.zeros((2, 68, 2))
    labels[:, 45, 0] = 10.0
    occluded = np.zeros((2, 68), bool)
    occluded[0, :17] = True
    rows = {
        "points": labels,
        "predicted": labels + np.where(occluded[..., None], (2.0, 0.0), (0.0, 1.0)),
        "weights": np.ones((2, 68)),
        "occluded": occluded,
        "to_original": np.stack([geometry.IDENTITY] * 2),
        "box": np.array([[0.0, 0.0, 1.0, 1.0]] * 2),
        "record": np.array([0, 1]),
    }
    result = split_result.measure(rows, config, sample={})
    np.testing.assert_allclose(result.nme, [(17 * 0.2 + 51 * 0.1) / 68, 0.1])
    np.testing.assert_allclose(result.point_groups["visible points"], [0.1, 0.1])
    np.testing.assert_allclose(result.point_groups["occluded points"], [0.2, np.nan])
    summaries = split_result.summarise("test", result, 0.1)
    assert list(summaries) == ["test", "test/visible points", "test/occluded points"]
    assert summaries["test/occluded points"]["faces"] == 1
    assert summaries["test/occluded points"]["nme"] == pytest.approx(20.0)


def result(nme: list[float], **attributes: list[int]) -> split_result.SplitResult:
    chosen = {name: np.array(values, bool) for name, values in attributes.items()}
    return made_result(np.array(nme), attributes=chosen)


def test_a_row_for_the_split_and_one_for_each_attribute():
    config = default()
    config.data.scheme = "wflw_98"
    config.evaluate.threshold = 0.1
    # NME by hand: (0.04 + 0.05 + 0.12) / 3 = 0.07; one of three fails; AUC (0.6 + 0.5 + 0) / 3.
    measured = result([0.04, 0.05, 0.12], pose=[0, 1, 1], makeup=[0, 0, 0], blur=[1, 0, 0])
    text = split_result.table(split_result.summarise("test", measured, 0.1), config)
    assert text.splitlines()[1:] == [
        "subset     faces     NME   FR@10  AUC@10",
        "test           3    7.00   33.33   36.67",
        "test/pose      2    8.50   50.00   25.00",
        "test/blur      1    4.00    0.00   60.00",
    ]
    assert "inter-ocular" in text.splitlines()[0]


def test_an_attribute_of_every_face_has_no_row():
    measured = result([0.04, 0.05], pose=[1, 1], blur=[1, 0])
    summaries = split_result.summarise("test_largepose", measured, 0.1)
    assert list(summaries) == ["test_largepose", "test_largepose/blur"]


def test_the_tab_separated_table_contains_the_normaliser():
    evaluation = made_evaluation()
    lines = split_result.tab_separated(evaluation.summaries, evaluation.config).splitlines()
    assert lines[0].split("\t") == ["subset", "faces", "NME (inter-ocular, %)", "FR@8 (%)", "AUC@8 (%)"]
    assert lines[1].split("\t")[:3] == ["test", "40", f"{evaluation.summaries['test']['nme']:.2f}"]


def test_chosen_faces_of_two_results_are_joined_in_order():
    first = result([0.1, 0.2, 0.3], pose=[0, 1, 1], blur=[0, 0, 1])
    second = result([0.4, 0.5], pose=[1, 0], blur=[0, 1])
    whole = split_result.joined([first, second], [np.array([2, 0]), np.array([1])])
    np.testing.assert_array_equal(whole.nme, [0.3, 0.1, 0.5])
    assert list(whole.attributes) == ["pose", "blur"]
    assert whole.attributes["blur"].tolist() == [True, False, True]
    assert whole.confidence is None
    assert np.isnan(whole.seconds)
