"""NME, FR and AUC, compared with values computed by hand and a numerical integral."""

import numpy as np
import pytest

from dsat_jax import geometry, metrics
from dsat_jax.schemes import SCHEMES, W300_68, WFLW_98


def square_face() -> np.ndarray:
    points = np.zeros((1, 68, 2))
    points[0, 36], points[0, 45] = (10, 20), (40, 60)  # 50 apart
    points[0, 37:42], points[0, 42] = (10, 20), (40, 60)
    points[0, 43:48] = (40, 60)
    points[0, 8] = (30, 100)
    return points


BOX = np.array([[5.0, 10.0, 35.0, 50.0]])  # 30 x 40


def test_normalisers():
    points = square_face()
    assert metrics.inter_ocular(points, BOX, W300_68) == pytest.approx(50)
    assert metrics.inter_pupil(points, BOX, W300_68) == pytest.approx(50)
    assert metrics.box_diagonal(points, BOX, W300_68) == pytest.approx(50)
    assert metrics.box_size(points, BOX, W300_68) == pytest.approx(np.sqrt(30 * 40))
    assert metrics.landmark_box_size(points, BOX, W300_68) == pytest.approx(np.sqrt(40 * 100))
    wflw = np.zeros((1, 98, 2))
    wflw[0, 72], wflw[0, 97] = (3, 4), (6, 8)
    assert metrics.inter_ocular(wflw, BOX, WFLW_98) == pytest.approx(5)
    assert metrics.inter_pupil(wflw, BOX, WFLW_98) == pytest.approx(10)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("name", metrics.NORMALISERS)
def test_every_normaliser_grows_with_the_face(name, scheme):
    points = np.random.default_rng(0).uniform(0, 100, (3, scheme.num_points, 2))
    boxes = geometry.box_of_points(points)
    small, large = (metrics.NORMALISERS[name](scale * points, scale * boxes, scheme) for scale in (1, 3))
    assert small.shape == (3,)
    np.testing.assert_allclose(large, 3 * small)


def test_a_normaliser_is_nan_only_if_it_depends_on_an_unknown_label():
    points = square_face()
    points[0, 8] = np.nan
    assert metrics.landmark_box_size(points, BOX, W300_68) == pytest.approx(np.sqrt(40 * 60))
    points[0, 36] = np.nan
    assert np.isnan(metrics.inter_ocular(points, BOX, W300_68))
    assert metrics.box_diagonal(points, BOX, W300_68) == pytest.approx(50)
    assert metrics.summary(np.array([0.02, np.nan]), 0.1)["faces"] == 1


def test_a_prediction_that_is_not_finite_counts_as_failed():
    predicted = np.array([[[0.0, 0.0], [0.0, 1.0]], [[0.0, np.nan], [0.0, 0.0]]])
    errors = metrics.point_errors(predicted, np.zeros((2, 2, 2)), normaliser=np.array([50.0, 50.0]))
    face_nme = metrics.nme(errors, np.ones((2, 2), bool))
    np.testing.assert_array_equal(face_nme, [0.01, np.inf])
    row = metrics.summary(face_nme, 0.1)
    assert (row["faces"], row["fr"]) == (2, 50.0)
    assert row["auc"] == pytest.approx(45.0)  # (0.9 + 0) / 2


def test_nme_is_the_mean_over_known_points():
    errors = metrics.point_errors(
        np.array([[[3.0, 4.0], [100.0, 0.0]]]), np.zeros((1, 2, 2)), normaliser=np.array([50.0])
    )
    np.testing.assert_allclose(errors, [[0.1, 2.0]])
    np.testing.assert_allclose(metrics.nme(errors, np.array([[True, False]])), [0.1])
    assert np.isnan(metrics.nme(errors, np.array([[False, False]])))


def test_summary_by_hand():
    result = metrics.summary(np.array([0.02, 0.04, 0.12]), 0.08)
    assert result == pytest.approx({"nme": 6.0, "fr": 100 / 3, "auc": 100 * (0.75 + 0.5 + 0) / 3, "faces": 3})


def test_auc_equals_the_integral_of_the_cumulative_distribution():
    face_nme = np.random.default_rng(0).gamma(2.0, 0.02, 200)
    grid = np.linspace(0, 0.08, 80_001)
    integral = np.mean([(face_nme <= e).mean() for e in grid[:-1]])
    assert metrics.summary(face_nme, 0.08)["auc"] == pytest.approx(100 * integral, abs=0.01)
    errors, share = metrics.cumulative_errors(face_nme, 0.08)
    area = (np.diff(errors) * share[:-1]).sum() / 0.08
    assert metrics.summary(face_nme, 0.08)["auc"] == pytest.approx(100 * area)


def test_no_faces_give_nan_and_no_failure():
    result = metrics.summary(np.array([]), 0.1)
    assert result["faces"] == 0
    assert np.isnan(result["nme"])
