"""Faces turned in depth, compared with the synthetic head, which can be drawn at both poses."""

import dataclasses

import cv2
import numpy as np
import pytest

from dsat_jax.data import turned_faces
from dsat_jax.schemes import COFW_29, W300_68, WFLW_98, convert
from tfds_builders.synthetic_faces.drawing import Drawing, draw
from tfds_builders.synthetic_faces.parameters import Parameters, Photo, sample
from tfds_builders.synthetic_faces.pose import Pose
from tfds_builders.synthetic_faces.surface import Light

SCHEMES = [W300_68, WFLW_98]
PEOPLE = 4
FAR_EYE, NEAR_EYE = slice(42, 48), slice(36, 42)  # 300W, of a face turned to the image's right


def person(number: int, **pose: float) -> Drawing:
    """A synthetic face in even light, without an occluder, seen from far away."""
    parameters = sample(np.random.default_rng([3, number]))
    far = Pose(scale=0.8, centre=(128.0, 128.0), distance=4000.0, **pose)
    even = Light(ambient=1.0, gloss=0.0)
    changes = {"pose": far, "light": even, "photo": Photo(), "occluder": None, "head_depth": 1.5}
    return draw(dataclasses.replace(parameters, **changes))


def turned(drawing: Drawing, scheme, yaw: float, pitch: float = 0.0) -> turned_faces.Turned:
    head = turned_faces.fit(convert(drawing.points, WFLW_98, scheme), scheme, drawing.image.shape)
    return turned_faces.turn(drawing.image, head, yaw, pitch)


def centred(points: np.ndarray) -> np.ndarray:
    """Landmarks relative to the centre of their bounding rectangle, which a turn keeps."""
    return points - (points.min(axis=0) + points.max(axis=0)) / 2


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (-40, 0, 10), (15, 20, 0), (30, -15, -25), (55, 0, 0)]
)
def test_the_pose_of_a_head_is_found(scheme, yaw, pitch, roll):
    pose = Pose(yaw=yaw, pitch=-pitch, roll=roll, distance=9000.0)
    points = draw(Parameters(pose=pose, head_depth=1.5)).points
    fitted = turned_faces.fit_pose(convert(points, WFLW_98, scheme), scheme)
    np.testing.assert_allclose(fitted.angles, (yaw, pitch, roll), atol=3.5)
    assert fitted.scale == pytest.approx(pose.scale, rel=0.05)


@pytest.mark.parametrize("yaw", [0, 35])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_turn_by_nothing_changes_nothing(scheme, yaw):
    drawing = person(0, yaw=yaw)
    result = turned(drawing, scheme, 0.0)
    np.testing.assert_allclose(result.landmarks, convert(drawing.points, WFLW_98, scheme), atol=0.01)
    assert np.abs(result.image.astype(int) - drawing.image).max() <= 2  # grey levels
    assert not result.hidden.any()


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize(
    ("before", "yaw", "pitch", "at_most"),
    [(0, 30, 0, 1.5), (10, 30, 0, 2.0), (0, 0, 20, 1.0), (0, 55, 0, 2.6)],
)
def test_landmarks_are_near_those_of_the_head_at_the_new_pose(scheme, before, yaw, pitch, at_most):
    """Mean errors in percent of the distance between the outer corners of the eyes of the frontal face."""
    errors, unturned = [], []
    for number in range(PEOPLE):
        first = person(number, yaw=before)
        points = convert(first.points, WFLW_98, scheme)
        truth = convert(person(number, yaw=before + yaw, pitch=-pitch).points, WFLW_98, scheme)
        size = np.linalg.norm(np.subtract(*person(number).points[[60, 72]])) / 100
        result = turned(first, scheme, yaw, pitch).landmarks
        errors.append(np.linalg.norm(centred(result) - centred(truth), axis=1).mean() / size)
        unturned.append(np.linalg.norm(centred(points) - centred(truth), axis=1).mean() / size)
    assert np.mean(errors) < at_most
    assert np.mean(errors) < np.mean(unturned) / 3


@pytest.mark.parametrize("number", range(PEOPLE))
def test_the_image_shows_what_the_head_shows_at_the_new_pose(number):
    """In even light, eyes, nose and mouth of the turned image correlate with the drawing at the new pose."""
    before, after = person(number), person(number, yaw=30)
    result = turned(before, W300_68, 30.0)
    truth = convert(after.points, WFLW_98, W300_68)
    low, high = truth[17:].min(axis=0).astype(int), truth[17:].max(axis=0).astype(int)

    def correlation(image: np.ndarray, points: np.ndarray) -> float:
        """Correlation after the image's inner landmarks have been moved over the true ones, without a rotation."""
        right, down = np.rint((truth - points)[17:].mean(axis=0)).astype(int)
        parts = [
            part[low[1] : high[1], low[0] : high[0]].mean(axis=-1).ravel()
            for part in (np.roll(image, (down, right), axis=(0, 1)), after.image)
        ]
        return np.corrcoef(*parts)[0, 1]

    unturned = correlation(before.image, convert(before.points, WFLW_98, W300_68))
    assert correlation(result.image, result.landmarks) > max(0.7, unturned + 0.12)


def test_a_mirrored_face_turns_to_the_other_side():
    drawing = person(2, yaw=12, roll=8)
    mirrored = dataclasses.replace(
        drawing,
        image=drawing.image[:, ::-1].copy(),
        points=(drawing.points * (-1, 1) + (drawing.image.shape[1] - 1, 0))[WFLW_98.mirror_permutation],
    )
    result, other = turned(drawing, W300_68, 40.0, 10.0), turned(mirrored, W300_68, -40.0, 10.0)
    back = (other.landmarks * (-1, 1) + (drawing.image.shape[1] - 1, 0))[W300_68.mirror_permutation]
    np.testing.assert_allclose(back, result.landmarks, atol=0.6)
    np.testing.assert_array_equal(other.hidden[W300_68.mirror_permutation], result.hidden)
    assert np.abs(other.image[:, ::-1].astype(int) - result.image).mean() < 3


@pytest.mark.parametrize("landmark", [4, 19, 30, 36, 39, 48, 57])
def test_a_spot_at_a_landmark_moves_with_it(landmark):
    points = convert(person(3).points, WFLW_98, W300_68)
    image = np.zeros((256, 256, 3), np.uint8)
    x, y = np.rint(points[landmark]).astype(int)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    points[landmark] = x, y
    result = turned_faces.turn(image, turned_faces.fit(points, W300_68, image.shape), 35.0, -8.0)
    weights = result.image[..., 0].astype(float)
    spot = np.array([(weights * axis).sum() / weights.sum() for axis in np.indices((256, 256))[::-1]])
    assert np.linalg.norm(result.landmarks[landmark] - points[landmark]) > 3
    np.testing.assert_allclose(
        spot, result.landmarks[landmark], atol=1.5
    )  # the skin is stretched to one side
    x, y = np.rint(result.landmarks[landmark]).astype(int)
    assert weights[y, x] > 128


def test_the_far_eye_of_a_profile_is_hidden_and_the_near_one_is_not():
    hidden = turned(person(1), W300_68, 75.0).hidden
    assert hidden[FAR_EYE].all()
    assert not hidden[NEAR_EYE].any()
    assert not hidden[:17].any()


def test_hidden_landmarks_are_on_the_edge_of_the_face():
    """The landmarks of the far eye of a white face before a black background, and the pixels beyond them."""
    points = convert(person(1).points, WFLW_98, W300_68)
    image = np.zeros((256, 256, 3), np.uint8)
    cv2.fillConvexPoly(image, cv2.convexHull(np.rint(points).astype(np.int32)), (255, 255, 255))
    result = turned_faces.turn(image, turned_faces.fit(points, W300_68, image.shape), 75.0, 0.0)
    x, y = np.rint(result.landmarks[FAR_EYE]).astype(int).T
    assert (result.image[y, x - 5, 0] > 200).all()
    assert (result.image[y, x + 5, 0] < 50).all()


def test_the_mesh_covers_the_image_once():
    drawing = person(0, yaw=-25, roll=20)
    head = turned_faces.fit(drawing.points, WFLW_98, drawing.image.shape)
    corners = head.vertices[head.triangles, :2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
    low, high = head.vertices[:, :2].min(axis=0), head.vertices[:, :2].max(axis=0)
    assert area == pytest.approx((high - low).prod(), rel=1e-4)
    assert (low <= 0).all()
    assert (high >= 255).all()


def test_random_turns_lead_away_from_the_frontal_pose():
    drawing = person(0, yaw=40)
    head = turned_faces.fit(drawing.points, WFLW_98, drawing.image.shape)
    random = np.random.default_rng(0)
    turns = np.array([turned_faces.sample_turn(head, random, 60.0, 30.0) for _ in range(200)])
    yaw, pitch, _ = head.pose.angles
    assert (turns[:, 0] >= 0).all()
    assert 75 < (yaw + turns[:, 0]).max() <= 80
    assert abs(pitch) < 8
    assert turns[:, 1].min() < -20
    assert turns[:, 1].max() > 20
    again = turned_faces.sample_turn(head, np.random.default_rng(0), 60.0, 30.0)
    np.testing.assert_array_equal(again, turns[0])


def test_only_schemes_with_the_points_of_the_head_are_turned():
    assert [turned_faces.applies_to(scheme) for scheme in (W300_68, WFLW_98, COFW_29)] == [True, True, False]
