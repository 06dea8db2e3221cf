"""The One-Euro filter: results computed by hand, and its desired properties."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.inference.one_euro import OneEuro, smooth

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])  # a face of size 4


def run(settings, frames, times):
    state, smoothed = None, []
    for landmarks, time in zip(frames, times, strict=True):
        state = smooth(settings, state, landmarks, time)
        smoothed.append(state.landmarks)
    return np.array(smoothed)


def test_one_step_computed_by_hand():
    """A period of 1 / (2 pi) s makes the weight of a value c / (1 + c) with a cutoff of c Hz."""
    period = 1 / (2 * np.pi)
    settings = OneEuro(min_cutoff=1.0, beta=1 / (2 * np.pi), speed_cutoff=1.0)
    first = smooth(settings, None, SQUARE, 0.0)
    np.testing.assert_array_equal(first.landmarks, SQUARE)
    # (3, 4) / size 4 / period = 5/4 * 2 pi face sizes a second; half of it passes; the cutoff is 1 + 5/8 Hz.
    second = smooth(settings, first, SQUARE + np.array([3.0, 4.0]), period)
    np.testing.assert_allclose(second.velocity, np.tile([0.75 * np.pi, np.pi], (4, 1)))
    weight = 1.625 / 2.625
    np.testing.assert_allclose(second.landmarks, SQUARE + weight * np.array([3.0, 4.0]))


def test_a_landmark_at_rest_is_smoothed_more_than_one_that_moves():
    moved = SQUARE.copy()
    moved[0] += [0.02, 0.0]  # half a percent of the face: noise
    moved[3] += [2.0, 0.0]
    settings = OneEuro()
    after = smooth(settings, smooth(settings, None, SQUARE, 0.0), moved, 0.04).landmarks
    passed = (after - SQUARE)[[0, 3], 0] / (moved - SQUARE)[[0, 3], 0]
    assert passed[0] < 0.5 < passed[1]
    np.testing.assert_array_equal(after[[1, 2]], SQUARE[[1, 2]])


def test_without_beta_it_is_exponential_smoothing():
    values = np.random.default_rng(0).normal(size=(6, 4, 2)) + SQUARE
    weight = 1 / (1 + 1 / (2 * np.pi * 1.5 * 0.1))
    expected = [values[0]]
    for value in values[1:]:
        expected.append(expected[-1] + weight * (value - expected[-1]))
    smoothed = run(OneEuro(min_cutoff=1.5, beta=0.0), values, 0.1 * np.arange(6))
    np.testing.assert_allclose(smoothed, expected)


def test_the_result_does_not_depend_on_resolution_and_rotation():
    frames = np.random.default_rng(1).normal(0, 0.3, (8, 4, 2)).cumsum(axis=0) + SQUARE
    times = np.array([0.0, 0.04, 0.08, 0.13, 0.16, 0.2, 0.24, 0.3])
    reference = run(OneEuro(), frames, times)
    np.testing.assert_allclose(run(OneEuro(), 7.5 * frames + 20, times), 7.5 * reference + 20)
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(run(OneEuro(), frames @ quarter, times), reference @ quarter, atol=1e-12)


def test_jitter_of_a_resting_face_decreases_and_the_lag_is_small():
    noise = np.random.default_rng(2).normal(0, 0.02, (200, 4, 2))
    times = np.arange(200) / 25
    smoothed = run(OneEuro(), SQUARE + noise, times)
    assert np.abs(np.diff(smoothed[20:], axis=0)).mean() < 0.5 * np.abs(np.diff(noise[20:], axis=0)).mean()
    fast = run(OneEuro(), SQUARE + np.arange(200)[:, None, None] * [0.4, 0.0], times)  # 2.5 faces a second
    lag = 0.4 * 199 + SQUARE[:, 0] - fast[-1, :, 0]
    assert lag.max() < 0.4  # less than a frame


def test_frames_in_the_wrong_order_and_invalid_settings_are_refused():
    state = smooth(OneEuro(), None, SQUARE, 1.0)
    with pytest.raises(ValueError, match=r"a frame at 1.0 s follows one at 1.0 s"):
        smooth(OneEuro(), state, SQUARE, 1.0)
    for change in ({"min_cutoff": 0.0}, {"beta": -1.0}, {"speed_cutoff": float("nan")}):
        with pytest.raises(ValueError, match="expected positive cutoffs"):
            dataclasses.replace(OneEuro(), **change)
