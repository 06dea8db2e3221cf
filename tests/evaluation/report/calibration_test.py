"""Error by confidence."""

import numpy as np
import pytest

from dsat_jax.evaluation.report import calibration


def test_bins_of_confidence_by_hand():
    confidence = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, np.nan]])
    errors = np.array([[0.5, 0.01], [0.3, 0.03], [np.inf, 0.2]])
    binned = calibration.calibrate(confidence, errors, np.array([0.25, 0.17, np.nan]), bins=2)
    np.testing.assert_allclose(binned.confidence, [0.15, 0.85])
    np.testing.assert_allclose(binned.error, [40, 2])
    assert binned.of_landmarks == pytest.approx(-1)


def test_faces_without_any_error_have_no_bins():
    binned = calibration.calibrate(np.ones((2, 3)), np.full((2, 3), np.nan), np.full(2, np.nan))
    assert len(binned.confidence) == 0
    assert binned.quartiles.shape == (2, 0)
    assert np.isnan(binned.of_landmarks)
