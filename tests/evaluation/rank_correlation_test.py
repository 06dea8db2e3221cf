"""Spearman's rank correlation, and its bootstrap interval."""

import numpy as np
import pytest

from dsat_jax.evaluation.rank_correlation import rho, spearman


def test_rho_with_ties_and_infinite_values_by_hand():
    """Ranks 1, 2.5, 2.5 and 2, 3, 1: the covariance is -1 * 0 + 0.5 * 1 - 0.5 * 1 = 0."""
    a, b = np.array([1.0, np.inf, np.inf]), np.array([5.0, 9.0, 2.0])
    assert rho(a, b) == pytest.approx(0.0)
    assert rho(np.array([1.0, 2.0, 2.0]), np.array([5.0, 9.0, 9.0])) == pytest.approx(1.0)
    assert rho(np.array([1.0, 2.0]), np.array([5.0, 4.0])) == pytest.approx(-1.0)


@pytest.mark.parametrize("levels", [2, 7, 1000])
def test_rho_is_inside_the_interval(levels):
    rng = np.random.default_rng(levels)
    a, b = rng.integers(levels, size=(2, 200)).astype(float)
    a += 0.3 * b
    correlation = spearman(a, b)
    assert correlation.rho == rho(a, b)
    assert correlation.low < correlation.rho < correlation.high
    assert correlation.faces == 200
    assert spearman(a, b) == correlation
    assert spearman(a, b, seed=1) != correlation


def test_a_face_without_one_of_the_quantities_is_left_out():
    a, b = np.array([1.0, np.nan, 2.0, 3.0, 4.0]), np.array([4.0, 1.0, 3.0, 2.0, np.nan])
    correlation = spearman(a, b)
    assert (correlation.rho, correlation.faces) == (pytest.approx(-1), 3)


def test_fewer_than_three_faces_have_no_correlation():
    assert np.isnan(spearman(np.arange(2.0), np.arange(2.0)).rho)
    assert spearman(np.zeros(0), np.zeros(0)).faces == 0


def test_a_quantity_that_does_not_vary_has_no_correlation():
    correlation = spearman(np.ones(10), np.arange(10.0))
    assert np.isnan([correlation.rho, correlation.low, correlation.high]).all()
    assert not correlation.clear


def test_resamples_in_which_a_quantity_does_not_vary_are_left_out():
    correlation = spearman((np.arange(50) == 3).astype(float), np.arange(50.0))
    assert correlation.low < correlation.rho < correlation.high < 0


def test_the_interval_contains_the_truth_as_often_as_its_level():
    """For independent quantities, 95 % of the intervals contain 0: 88 to 99 of 100."""
    rng = np.random.default_rng(3)
    clear = sum(spearman(*rng.normal(size=(2, 60))).clear for _ in range(100))
    assert 1 <= clear <= 12
