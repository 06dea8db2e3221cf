"""Jitter and lag of landmarks of a video."""

import json

import numpy as np
import pytest

from benchmarks import video_jitter
from dsat_jax.schemes import WFLW_98


def moving_face(frames: int = 50) -> np.ndarray:
    """Returns landmarks [frames, 98, 2] with an inter-ocular distance of 50 pixels; they move by 1 pixel a frame."""
    points = np.zeros((frames, 98, 2))
    points[:, WFLW_98.eye_corners[1], 0] = 50
    return points + np.arange(frames)[:, None, None] * np.array([1.0, 0.0])


def test_jitter_and_nme_by_hand():
    truth = moving_face()
    errors = np.where(np.arange(len(truth)) % 2 == 0, 1.0, -1.0)[:, None, None] * np.array([0.0, 1.0])
    assert video_jitter.measure(truth + errors, truth) == pytest.approx((2.0, 4.0, 2.0))
    assert video_jitter.measure(truth + 3.0, truth)[0] == pytest.approx(0.0)


def test_lag_is_the_delay_of_the_smoothed_landmarks():
    truth = moving_face()
    unsmoothed = truth + np.random.default_rng(0).normal(size=truth.shape)
    delayed = unsmoothed - np.array([2.0, 0.0])  # two frames late
    assert video_jitter.lag(delayed, unsmoothed, truth) == pytest.approx(2 * 1000 / video_jitter.RATE)
    assert np.isnan(video_jitter.lag(truth, truth, np.zeros_like(truth)))


def test_frames_without_a_face_have_no_landmarks(tmp_path):
    landmarks = moving_face(2)
    frames = [{"faces": []}, {"faces": [{"landmarks": landmarks[1].tolist()}]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    read = video_jitter.found_landmarks(tmp_path / "a.jsonl")
    assert np.isnan(read[0]).all()
    np.testing.assert_array_equal(read[1], landmarks[1])
