"""Oblique crops: landmarks stay on their dots, and the transform is not affine."""

import cv2
import numpy as np

from dsat_jax.data import perspective

SIZE = 96
POINTS = np.array([[30.0, 32.0], [66.0, 30.0], [48.0, 50.0], [34.0, 68.0], [64.0, 66.0]], np.float32)


def dotted(point: np.ndarray) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    centre = np.round(point * 16).astype(int).tolist()
    cv2.circle(image, centre, 3 * 16, (255, 255, 255), cv2.FILLED, cv2.LINE_AA, shift=4)
    return image


def test_landmarks_stay_on_their_dots():
    for index, point in enumerate(POINTS):
        tilted, points = perspective.tilt(dotted(point), POINTS, 0.1, np.random.default_rng(5))
        light = tilted.astype(np.float64).sum(axis=-1)
        y, x = np.mgrid[:SIZE, :SIZE]
        centre = np.array([(x * light).sum(), (y * light).sum()]) / light.sum()
        np.testing.assert_allclose(centre, points[index], atol=0.3)
        assert points.dtype == np.float32


def test_parallel_lines_meet_and_corners_move_by_the_limit_at_most():
    corners = np.array([[0, 0], [95, 0], [95, 95], [0, 95]], np.float32)
    _, points = perspective.tilt(dotted(POINTS[0]), corners, 0.1, np.random.default_rng(1))
    assert 0 < np.abs(points - corners).max() <= 0.1 * SIZE
    top, bottom = points[1] - points[0], points[2] - points[3]
    assert abs(np.cross(np.append(top, 0), np.append(bottom, 0))[2]) > 10


def test_no_shift_changes_nothing():
    image = dotted(POINTS[2])
    tilted, points = perspective.tilt(image, POINTS, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(tilted, image)
    np.testing.assert_allclose(points, POINTS, atol=1e-4)
