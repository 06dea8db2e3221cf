"""The gate's analysis on patterns made by hand."""

import json

import numpy as np
import pytest

from dsat_jax.evaluation import gate_analysis


def patterns(*rows: str) -> np.ndarray:
    """Patterns as bool [faces, channels] from rows of 0 and 1."""
    return np.array([[cell == "1" for cell in row] for row in rows])


def test_common_patterns_are_the_groups_the_largest_first():
    opened = patterns("110", "011", "110", "111", "110", "011")
    found = gate_analysis.partition_by_pattern(opened)
    assert not found.clustered
    assert found.patterns == 3
    assert found.common == [3, 2, 1]
    np.testing.assert_array_equal(found.group, [0, 1, 0, 2, 0, 1])
    assert found.distance_within == 0
    # The majority of all faces is 110 (channel 2 is open for exactly half): 2 channels for 011, 1 for 111.
    assert found.distance_whole == pytest.approx((2 * 2 + 1) / 6)


def test_similar_patterns_are_put_together_where_none_is_common():
    rng = np.random.default_rng(0)
    centres = rng.random((gate_analysis.GROUPS, 64)) < 0.5
    truth = np.repeat(np.arange(gate_analysis.GROUPS), 20)
    opened = centres[truth] ^ (rng.random((len(truth), 64)) < 0.05)
    found = gate_analysis.partition_by_pattern(opened)
    assert found.clustered
    assert found.patterns > 60
    pairs = {(a, b) for a, b in zip(truth.tolist(), found.group.tolist(), strict=True)}
    assert len(pairs) == gate_analysis.GROUPS  # each centre's faces are one group
    assert found.distance_within < 5 < found.distance_whole


def test_a_gate_that_follows_a_quantity_shows_it():
    error = np.linspace(0, 1, 60)
    opened = np.arange(10) >= (10 * error[:, None]).round()  # closes channel after channel as the error grows
    noise = np.random.default_rng(0).random(60)
    found = gate_analysis.analyse(opened, {"NME": error, "noise": noise})
    assert found.correlations["NME"].rho == pytest.approx(-1, abs=0.02)
    assert found.correlations["NME"].clear
    assert not found.correlations["noise"].clear
    assert found.explained["NME"].share > 5 * found.explained["NME"].chance
    assert found.explained["NME"].p_value < 0.01
    assert found.explained["noise"].p_value > 0.05
    assert found.switching == 10
    assert json.loads(json.dumps(gate_analysis.as_json(found)))["channels"] == 10


def test_the_share_explained_by_hand():
    """Ranks 1 2 | 3 4: means 1.5 and 3.5 about 2.5; 4 of the 5 squares lie between the groups."""
    found = gate_analysis.explained(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.9]))
    assert found.share == pytest.approx(4 / 5)
    assert found.p_value == pytest.approx(1 / 3, abs=0.06)  # 2 of the 6 ways to deal two and two reach it
    assert found.chance == pytest.approx(1 / 3, abs=0.06)


def test_a_gate_that_is_always_open_has_nothing_to_say():
    found = gate_analysis.analyse(np.ones((20, 8), bool), {"NME": np.arange(20.0)})
    assert found.switching == 0
    assert np.isnan(found.correlations["NME"].rho)
    assert found.explained == {}
    assert found.partition.patterns == 1
    values = gate_analysis.as_json(found)["rank_correlation_with_open_channels"]
    assert values == {"NME": {"rho": None, "interval": [None, None]}}
