"""Landmarks of a drawn face in the other schemes: their number, their symmetry, and means computed by hand."""

import numpy as np
import pytest

from dsat_jax import geometry, schemes
from tfds_builders.synthetic_faces.drawing import draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in

POINTS = draw_face(1, 0, 0).points.astype(np.float64)


@pytest.mark.parametrize("scheme", schemes.SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_a_mirrored_face_has_the_mirrored_landmarks_of_each_scheme(scheme: schemes.Scheme):
    landmarks = landmarks_in(POINTS, scheme)
    assert landmarks.shape == (scheme.num_points, 2)
    mirrored = geometry.mirror_points(POINTS, 256, schemes.WFLW_98.mirror_permutation)
    expected = geometry.mirror_points(landmarks, 256, scheme.mirror_permutation)
    np.testing.assert_allclose(landmarks_in(mirrored, scheme), expected, atol=1e-9)


def test_means_by_hand():
    np.testing.assert_array_equal(landmarks_in(POINTS, schemes.COFW_29)[2], (POINTS[37] + POINTS[38]) / 2)
    np.testing.assert_array_equal(landmarks_in(POINTS, schemes.AFLW_19)[16], (POINTS[90] + POINTS[94]) / 2)
    np.testing.assert_array_equal(landmarks_in(POINTS, schemes.WFLW_98), POINTS)
