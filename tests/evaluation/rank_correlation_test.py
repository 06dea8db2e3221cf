"""Spearman's rank correlation against scipy, and its interval."""

import numpy as np
import pytest
from scipy import stats

from dsat_jax.evaluation.rank_correlation import ranks, spearman


def test_ranks_share_ties():
    np.testing.assert_array_equal(ranks(np.array([5.0, 1.0, 5.0, np.inf, 2.0])), [3.5, 1.0, 3.5, 5.0, 2.0])


@pytest.mark.parametrize("levels", [2, 7, 1000])
def test_rho_is_that_of_scipy(levels):
    rng = np.random.default_rng(levels)
    a, b = rng.integers(levels, size=(2, 200)).astype(float)
    a += 0.3 * b
    found = spearman(a, b)
    assert found.rho == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert found.low < found.rho < found.high
    assert found.faces == 200


def test_a_face_without_one_of_the_quantities_is_left_out():
    a, b = np.array([1.0, np.nan, 2.0, 3.0, 4.0]), np.array([4.0, 1.0, 3.0, 2.0, np.nan])
    found = spearman(a, b)
    assert (found.rho, found.faces) == (pytest.approx(-1), 3)


def test_a_quantity_that_does_not_vary_has_no_correlation():
    found = spearman(np.ones(10), np.arange(10.0))
    assert np.isnan([found.rho, found.low, found.high]).all()
    assert not found.clear


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of independent quantities, 95 % of the intervals hold 0: of 100, 88 to 99."""
    rng = np.random.default_rng(3)
    clear = sum(spearman(*rng.normal(size=(2, 60))).clear for _ in range(100))
    assert 1 <= clear <= 12
