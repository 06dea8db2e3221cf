"""Head pose: projections of the model under known rotations, drawn heads, mirrors, and errors."""

import dataclasses

import numpy as np
import pytest

from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import head_pose
from dsat_jax.schemes import AFLW_19, SCHEMES, W300_68, Scheme
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.other_schemes import landmarks_in
from tfds_builders.synthetic_faces.pose import Pose, landmarks
from tfds_builders.synthetic_faces.template import Shape

ALL = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
SIX = [6, 11, 13, 15, 17, 18]  # the landmarks of the model in AFLW-19
IMAGE_SHAPE = (480, 640, 3)


def in_aflw(points: np.ndarray) -> np.ndarray:
    """Landmarks [19, 2] of AFLW-19 with six given points; the others are far away."""
    everything = np.full((19, 2), 1e4)
    everything[SIX] = points
    return everything


def rotation_of(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The rotation whose yaw moves the nose right, whose pitch moves it up, and whose roll is clockwise."""
    yaw, pitch, roll = np.deg2rad([yaw, pitch, roll])
    to_the_right = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    up = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    clockwise = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(clockwise) @ np.array(to_the_right) @ np.array(up)


def angles(pose: head_pose.HeadPose) -> np.ndarray:
    return np.array([pose.yaw, pose.pitch, pose.roll])


def difference(degrees: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (degrees - others + 180) % 360 - 180


def random_angles(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform([-60, -40, -180], [60, 40, 180], (count, 3))


def drawn(scheme: Scheme, **pose: float) -> np.ndarray:
    """Landmarks of the mean drawn head, which is independent of the model of the estimate."""
    return landmarks_in(landmarks(build_head(Shape(), Expression()), Pose(**pose)), scheme)


def test_the_signs_of_the_angles_by_hand():
    """The nose is in front of the eyes, so that it moves further than they do."""
    toward_camera = np.array([0.0, 0.0, -1.0])
    assert (rotation_of(20, 0, 0) @ toward_camera)[0] > 0.3  # right
    assert (rotation_of(0, 20, 0) @ toward_camera)[1] < -0.3  # up
    eyes_nose = np.array([[-1.0, 0], [1, 0], [0, 1]])
    turned = eyes_nose @ rotation_of(0, 0, 20)[:2, :2].T
    assert turned[2, 0] < -0.3  # clockwise: a nose below the eyes moves to the left
    assert head_pose.MODEL[2].tolist() == [0, 0, 0]
    assert (head_pose.MODEL[[0, 1, 3, 4, 5], 2] > 0).all()  # the nose is nearest to the camera


@pytest.mark.parametrize("degrees", random_angles(40), ids=str)
def test_a_projected_model_is_recovered_with_its_camera(degrees: np.ndarray):
    """Anywhere in the image, from 25 cm to 8 m."""
    rng = np.random.default_rng(abs(int(degrees[0] * 1e6)))
    camera = np.array([[700.0, 0, 300], [0, 720, 250], [0, 0, 1]])
    nose, depth = rng.uniform([0, 0], [640, 480]), np.exp(rng.uniform(np.log(250), np.log(8000)))
    translation = depth * np.array([(nose[0] - 300) / 700, (nose[1] - 250) / 720, 1])
    rotation = rotation_of(*degrees)
    seen = (head_pose.MODEL @ rotation.T + translation) @ camera.T
    pose = head_pose.estimate(in_aflw(seen[:, :2] / seen[:, 2:]), AFLW_19, camera=camera)
    np.testing.assert_allclose(difference(angles(pose), degrees), 0, atol=1e-3)
    np.testing.assert_allclose(pose.rotation, rotation, atol=1e-5)
    np.testing.assert_allclose(pose.translation, translation, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("degrees", random_angles(20), ids=str)
def test_a_distant_model_is_recovered_without_a_camera(degrees: np.ndarray):
    seen = 3 * (head_pose.MODEL @ rotation_of(*degrees).T)[:, :2] + [4000, -700]
    pose = head_pose.estimate(in_aflw(seen), AFLW_19)
    assert np.abs(difference(angles(pose), degrees)).max() < 1
    assert pose.translation is None


@ALL
@pytest.mark.parametrize("turn", [-30, -15, 0, 15, 30])
def test_drawn_heads_turn_as_they_are_drawn(scheme: Scheme, turn: int):
    """The drawn head has another shape, so that angles agree to some degrees, from its own frontal view."""
    front = head_pose.estimate(drawn(scheme), scheme)
    assert abs(front.yaw) < 0.01
    assert abs(front.roll) < 0.01
    yawed = head_pose.estimate(drawn(scheme, yaw=turn), scheme)
    assert yawed.yaw == pytest.approx(turn, abs=5)
    pitched = head_pose.estimate(
        drawn(scheme, pitch=turn / 2), scheme
    )  # a positive pitch lowers the drawn nose
    assert pitched.pitch - front.pitch == pytest.approx(-turn / 2, abs=5)
    rolled = head_pose.estimate(drawn(scheme, roll=turn), scheme)
    np.testing.assert_allclose(angles(rolled), [0, front.pitch, turn], atol=0.01)


@ALL
@pytest.mark.parametrize("roll", [-60, 0, 25, 90])
def test_roll_agrees_with_that_of_the_five_points(scheme: Scheme, roll: int):
    points = drawn(scheme, roll=roll)
    five = np.rad2deg(five_points.roll_of(five_points.of_landmarks(points, scheme)))
    assert head_pose.estimate(points, scheme).roll == pytest.approx(five, abs=0.5)


@ALL
@pytest.mark.parametrize("arguments", [{}, {"image_shape": (257, 257)}], ids=["distant", "in the image"])
def test_mirrored_landmarks_have_the_mirrored_pose(scheme: Scheme, arguments: dict[str, tuple[int, int]]):
    points = drawn(scheme, yaw=25, pitch=10, roll=20)
    pose = head_pose.estimate(points, scheme, **arguments)
    mirrored = geometry.mirror_points(points, 257, scheme.mirror_permutation)
    other = head_pose.estimate(mirrored, scheme, **arguments)
    assert pose.yaw > 15
    np.testing.assert_allclose(angles(other), angles(pose) * [-1, 1, -1], atol=1e-3)


def test_the_pose_without_a_camera_is_that_of_the_moved_resized_and_turned_face():
    points = drawn(W300_68, yaw=-20, pitch=5)
    pose = head_pose.estimate(points, W300_68)
    moved = geometry.transform_points(geometry.roll_matrix(np.deg2rad(40), np.array([9.0, 3])), 0.1 * points)
    other = head_pose.estimate(moved + 5000, W300_68)
    np.testing.assert_allclose(angles(other), angles(pose) + np.array([0, 0, 40]), atol=1e-3)


def test_a_face_at_the_right_edge_that_looks_into_the_camera_is_turned_left():
    """The focal length is 640, and the line of sight is at 300 / 640 from the axis."""
    sight = np.rad2deg(np.arctan2(300, 640))
    translation = 1000 * np.array([300 / 640, 0, 1])
    seen = head_pose.MODEL @ rotation_of(-sight, 0, 0).T + translation
    pixels = 640 * seen[:, :2] / seen[:, 2:] + [319.5, 239.5]
    pose = head_pose.estimate(in_aflw(pixels), AFLW_19, image_shape=IMAGE_SHAPE)
    np.testing.assert_allclose(angles(pose), [-sight, 0, 0], atol=1e-3)
    np.testing.assert_allclose(pose.translation, translation, rtol=1e-4, atol=1e-2)
    assert abs(head_pose.estimate(in_aflw(pixels), AFLW_19).yaw) < 5  # about 0 from the line of sight


def test_the_camera_of_an_image_by_hand():
    expected = [[640, 0, 319.5], [0, 640, 239.5], [0, 0, 1]]
    np.testing.assert_array_equal(head_pose.camera_of(IMAGE_SHAPE), expected)
    expected = [[640, 0, 239.5], [0, 640, 319.5], [0, 0, 1]]
    np.testing.assert_array_equal(head_pose.camera_of((640, 480)), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"scheme": dataclasses.replace(AFLW_19, name="mine", chin=None)},
            "the scheme 'mine' does not define",
        ),
        ({"landmarks": np.full((19, 2), 7.0)}, "expected finite, different positions"),
        ({"landmarks": np.full((19, 2), np.nan)}, "expected finite, different positions"),
        ({"image_shape": (480,)}, r"the image shape is \(480,\), expected \(height, width, ...\)"),
        ({"image_shape": (0, 640)}, r"the image shape is \(0, 640\)"),
        ({"camera": np.eye(2)}, r"the camera matrix is .*, expected \[3, 3\] with positive focal lengths"),
        ({"camera": -np.eye(3)}, r"expected \[3, 3\] with positive focal lengths"),
        ({"camera": np.eye(3), "image_shape": IMAGE_SHAPE}, "found both an image shape and a camera matrix"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, object], message: str):
    valid = {"landmarks": in_aflw(head_pose.MODEL[:, :2]), "scheme": AFLW_19}
    with pytest.raises(UserError, match=message):
        head_pose.estimate(**valid | arguments)
