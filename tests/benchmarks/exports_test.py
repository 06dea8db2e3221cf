"""Differences of predictors that are forms of one network."""

import numpy as np
import pytest

from benchmarks import exports
from dsat_jax import Predictor
from dsat_jax.inference import landmarks
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces.drawing import draw_face


def test_the_largest_difference_is_over_all_faces():
    arrays = [np.zeros((3, 2), np.float32), np.array([[0.0, -2.0]] * 3)]
    assert exports.largest_difference(arrays, [np.ones((3, 2)), np.ones((3, 2))]) == 3
    assert np.isnan(exports.largest_difference([None], [None]))


def test_predictions_are_in_the_boxes_of_the_true_landmarks():
    """A predictor whose network returns the corners of the crop: the landmarks are those of the box."""

    mirrors = []

    def corners(crops: np.ndarray, mirror: bool) -> landmarks.Landmarks:
        mirrors.append(mirror)
        points = np.zeros((len(crops), 98, 2), np.float32)
        points[:, 0] = crops.shape[1] - 1
        return landmarks.Landmarks(points, None, None)

    predictor = Predictor(corners, WFLW_98, size=32, enlarge=0.0)
    drawings = [draw_face(seed=5, split=1, index=index) for index in range(2)]
    faces = exports.predict(predictor, drawings, looks=1, mirror=False)
    assert len(faces) == 2
    for drawing, face in zip(drawings, faces, strict=True):
        centre = (drawing.points.min(axis=0) + drawing.points.max(axis=0)) / 2
        np.testing.assert_allclose((face.landmarks[0] + face.landmarks[1]) / 2, centre, atol=1e-3)
    assert mirrors == [False]
    assert exports.milliseconds(predictor, drawings, mirror=True) == pytest.approx(0, abs=1000)
    assert all(mirrors[1:])
