"""Projection of landmarks, computed by hand, and the outline of a turned head."""

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.pose import PIVOT, Pose, landmarks, turned_away
from tfds_builders.synthetic_faces.template import Shape

HEAD = build_head(Shape(), Expression())


def test_projection_by_hand():
    pose = Pose(scale=0.5, centre=(100.0, 120.0), distance=1000.0)
    points = PIVOT + np.array([[0, 0, 0], [20, -10, 0], [20, -10, 200]])
    np.testing.assert_allclose(pose.project(points), [[100, 120], [110, 115], [112.5, 113.75]])


@pytest.mark.parametrize(
    ("turn", "expected"), [({"yaw": 90}, [1, 0]), ({"pitch": 90}, [0, 1]), ({"yaw": 90, "roll": 90}, [0, 1])]
)
def test_the_nose_points_in_the_direction_of_the_pose(turn: dict[str, float], expected: list[float]):
    pose = Pose(scale=1.0, centre=(0.0, 0.0), distance=1e9, **turn)
    np.testing.assert_allclose(pose.project(PIVOT + np.array([[0, 0, 1]]))[0], expected, atol=1e-6)


@pytest.mark.parametrize("yaw", [-44, -20, 0, 7, 31])
def test_a_mirrored_head_has_mirrored_landmarks(yaw: float):
    expression = Expression(smile=(0.8, 0.1), gaze=(0.5, 0.1), eye_open=(1.0, 0.3))
    pose = Pose(yaw=yaw, pitch=9, roll=-14, centre=(120.0, 133.0))
    points = landmarks(build_head(Shape(), expression), pose)
    swapped = landmarks(build_head(Shape(), expression.mirrored()), pose.mirrored(256))
    np.testing.assert_allclose(
        swapped, geometry.mirror_points(points, 256, WFLW_98.mirror_permutation), atol=1e-6
    )


def test_the_contour_of_a_frontal_head_is_the_jaw_line():
    pose = Pose(distance=1e6)
    np.testing.assert_allclose(landmarks(HEAD, pose)[:33], pose.project(HEAD.points[:33]), atol=1e-6)


def test_the_far_contour_follows_the_outline():
    pose = Pose(yaw=40)
    points, jaw = landmarks(HEAD, pose), pose.project(HEAD.points)
    np.testing.assert_allclose(points[:16], jaw[:16])  # the near side: the jaw line itself
    assert (points[18:33, 0] > jaw[18:33, 0] + 1).all()  # the far side: the cheek in front of it
    inside = np.r_[33:51, 60:98]
    outline = np.interp(points[inside, 1], points[32:15:-1, 1], points[32:15:-1, 0])
    below = points[inside, 1] > points[32, 1]
    assert (points[inside, 0] <= outline + 0.5)[below].all()


def test_landmarks_of_the_far_side_are_turned_away():
    assert not turned_away(HEAD, Pose()).any()
    hidden = turned_away(HEAD, Pose(yaw=46))
    assert hidden[46]  # the outer tip of the far brow
    assert not hidden[np.r_[:42, 51:68, 96]].any()  # contour, nose, near eye
    assert set(np.flatnonzero(hidden)) <= set(range(42, 51)) | {69, 70, 71, 72, 73, 74, 97}
