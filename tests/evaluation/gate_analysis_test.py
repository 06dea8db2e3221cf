"""Analysis of the gate on artificial patterns."""

import json

import numpy as np
import pytest

from dsat_jax.evaluation import gate_analysis


def patterns(*rows: str) -> np.ndarray:
    """Returns patterns, bool [faces, channels], from rows of 0 and 1."""
    return np.array([[cell == "1" for cell in row] for row in rows])


def test_the_groups_are_the_common_patterns_in_descending_order():
    opened = patterns("110", "011", "110", "111", "110", "011")
    partition = gate_analysis.partition_by_pattern(opened)
    assert not partition.clustered
    assert partition.patterns == 3
    assert partition.common == [3, 2, 1]
    np.testing.assert_array_equal(partition.group, [0, 1, 0, 2, 0, 1])
    assert partition.distance_within == 0
    # The majority of all faces is 110 (channel 2 is open for exactly half): 2 channels for 011, 1 for 111.
    assert partition.distance_whole == pytest.approx((2 * 2 + 1) / 6)


@pytest.mark.parametrize("seed", range(5))
def test_similar_patterns_are_clustered_if_none_is_common(seed):
    rng = np.random.default_rng(seed)
    centres = rng.random((gate_analysis.GROUPS, 64)) < 0.5
    truth = np.repeat(np.arange(gate_analysis.GROUPS), 20)
    opened = centres[truth] ^ (rng.random((len(truth), 64)) < 0.05)
    partition = gate_analysis.partition_by_pattern(opened)
    assert partition.clustered
    assert partition.patterns > 60
    pairs = {(a, b) for a, b in zip(truth.tolist(), partition.group.tolist(), strict=True)}
    assert len(pairs) == gate_analysis.GROUPS  # the faces of each centre are one group
    assert partition.distance_within < 5 < partition.distance_whole


def test_a_gate_that_depends_on_a_quantity_correlates_with_it():
    error = np.linspace(0, 1, 60)
    opened = np.arange(10) >= (10 * error[:, None]).round()  # fewer channels the larger the error
    noise = np.random.default_rng(0).random(60)
    analysis = gate_analysis.analyse(opened, {"NME": error, "noise": noise})
    assert analysis.correlations["NME"].rho == pytest.approx(-1, abs=0.02)
    assert analysis.correlations["NME"].clear
    assert not analysis.correlations["noise"].clear
    assert analysis.explained["NME"].share > 5 * analysis.explained["NME"].chance
    assert analysis.explained["NME"].p_value < 0.01
    assert analysis.explained["noise"].p_value > 0.05
    assert analysis.switching == 10
    assert json.loads(json.dumps(gate_analysis.as_json(analysis)))["channels"] == 10


def test_the_share_explained_by_hand():
    """Ranks 1 2 | 3 4: the sum of squares is 5; with the group means 1.5 and 3.5, 4 of it are between the groups."""
    explained = gate_analysis.explained(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.9]))
    assert explained.share == pytest.approx(4 / 5)
    assert explained.p_value == pytest.approx(1 / 3, abs=0.06)  # 2 of the 6 partitions reach it
    assert explained.chance == pytest.approx(1 / 3, abs=0.06)


def test_a_gate_that_is_always_open_has_no_correlations():
    analysis = gate_analysis.analyse(np.ones((20, 8), bool), {"NME": np.arange(20.0)})
    assert analysis.switching == 0
    assert np.isnan(analysis.correlations["NME"].rho)
    assert analysis.explained == {}
    assert analysis.partition.patterns == 1
    values = gate_analysis.as_json(analysis)["rank_correlation_with_open_channels"]
    assert values == {"NME": {"rho": None, "interval": [None, None]}}
