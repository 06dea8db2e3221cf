"""What a face derives from its landmarks."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.errors import UserError
from dsat_jax.inference import head_pose
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import W300_68


def a_face() -> Face:
    landmarks = np.random.default_rng(0).uniform(50, 150, (68, 2))
    landmarks[[36, 45, 30, 48, 54, 8]] = head_pose.MODEL[:, :2] + 100
    return Face(np.array([0.0, 0, 200, 200]), landmarks, None, None, W300_68)


def test_the_five_points_by_hand():
    face = a_face()
    expected = [
        face.landmarks[36:42].mean(axis=0),
        face.landmarks[42:48].mean(axis=0),
        [100, 100],
        [100 - 28.4, 100 + 36.3],
        [100 + 28.4, 100 + 36.3],
    ]
    np.testing.assert_allclose(face.five_points, expected)
    assert face.five_points.dtype == np.float64


def test_the_five_points_of_a_custom_scheme_are_refused():
    custom = dataclasses.replace(W300_68, name="mine", mouth_corners=None)
    with pytest.raises(
        UserError, match="the scheme 'mine' does not define the tip of the nose and the corners"
    ):
        _ = dataclasses.replace(a_face(), scheme=custom).five_points


def test_head_pose_and_eyes_are_those_of_the_landmarks():
    face = a_face()
    assert abs(face.head_pose().yaw) < 0.01  # the model, seen from the front
    assert face.head_pose().translation is None
    assert face.head_pose((200, 200, 3)).translation[2] == pytest.approx(200, rel=0.5)  # 1 pixel per mm
    np.testing.assert_allclose(face.head_pose(camera=np.diag([200.0, 200, 1])).translation[2], 200, rtol=0.5)
    p1, p2, p3, p4, p5, p6 = face.landmarks[36:42]
    ratio = (np.hypot(*(p2 - p6)) + np.hypot(*(p3 - p5))) / (2 * np.hypot(*(p1 - p4)))
    assert face.eye_aspect_ratio.left == pytest.approx(ratio)
    assert face.eye_aspect_ratio.right != pytest.approx(ratio)
