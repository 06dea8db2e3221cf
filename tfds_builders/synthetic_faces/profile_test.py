"""Far turned heads: hidden landmarks against a depth buffer, the outline in the image, mirror images."""

import dataclasses

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.records import OCCLUDED, VISIBLE
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces import drawing, parameters
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.parameters import SIZE, Parameters, Photo
from tfds_builders.synthetic_faces.portrait import Portrait
from tfds_builders.synthetic_faces.pose import PIVOT, Pose, landmarks
from tfds_builders.synthetic_faces.profile import Profile
from tfds_builders.synthetic_faces.surface import bumpy_skin, grid
from tfds_builders.synthetic_faces.template import Shape
from tfds_builders.synthetic_faces.turned import sample_turned

HEAD = build_head(Shape(), Expression(), depth=1.6)
NEAR_EYE, FAR_EYE = np.r_[60:68], np.r_[68:76]  # of a head whose nose points to the right
MIDLINE = np.r_[51:55, 57, 79, 85]


def in_front(pose: Pose, indices: np.ndarray) -> np.ndarray:
    """How far the nearest skin to the viewer is in front of each landmark, millimetres; NaN without skin there."""
    surface = bumpy_skin(HEAD, *grid(pose)).reshape(-1, 3).astype(np.float64)
    depth, own = (((points - PIVOT) @ pose.rotation.T)[:, 2] for points in (surface, HEAD.points[indices]))
    pixels, points = pose.project(surface), pose.project(HEAD.points[indices])
    near = np.linalg.norm(pixels[None] - points[:, None], axis=-1) < 1
    front = np.where(near, depth - own[:, None], -np.inf).max(axis=1)
    return np.where(near.any(axis=1), front, np.nan)


@pytest.mark.parametrize("yaw", [50, 60, 70, 80, 90])
def test_hidden_landmarks_are_behind_other_skin(yaw: float):
    pose = Pose(yaw=yaw, distance=1e6)
    _, hidden = Profile.of(HEAD, pose).landmarks()
    inside = np.r_[33:51, 60:98]
    front = in_front(pose, inside)
    assert hidden[inside][front > 30].all()  # closer ones may be at the edge of the skin in front of them
    assert not hidden[inside][front < 3].any()
    assert hidden.any()
    assert not hidden[np.r_[NEAR_EYE, MIDLINE, :33]].any()


def test_a_profile_shows_one_eye_and_hides_the_other():
    face = drawing.draw(Parameters(pose=Pose(yaw=85), head_depth=1.6, photo=Photo(noise=0.0)))
    assert (face.visibility[NEAR_EYE] == VISIBLE).all()
    assert (face.visibility[FAR_EYE] == OCCLUDED).all()
    assert not face.attributes["occlusion"]  # which is that of objects


def test_hidden_landmarks_are_on_the_outline_at_their_own_height():
    pose = Pose(yaw=90, distance=1e6)
    points, _ = Profile.of(HEAD, pose).landmarks()
    outline = Profile.of(HEAD, pose).far_outline
    expected = np.interp(points[FAR_EYE, 1], outline[:, 1], outline[:, 0])
    np.testing.assert_allclose(points[FAR_EYE, 0], expected, atol=1.5)
    np.testing.assert_allclose(points[:, 1], pose.project(HEAD.points)[:, 1], atol=1e-2)  # without pitch
    assert points[:, 0].argmax() == 54  # the tip of the nose


def test_the_far_contour_of_a_profile_is_in_front_of_the_cheek_and_behind_the_nose():
    pose = Pose(yaw=90, scale=1.0, distance=1e6)
    profile = Profile.of(HEAD, pose)
    points, before = profile.landmarks()[0][17:33], landmarks(HEAD, pose)[17:33]
    moved = points[:, 0] - before[:, 0]
    assert moved.min() >= 0
    assert moved.max() == pytest.approx(8, abs=1e-6)  # at the nose
    np.testing.assert_allclose(
        Profile.of(HEAD, Pose(yaw=60)).landmarks()[0][:33], landmarks(HEAD, Pose(yaw=60))[:33]
    )


def test_the_mirrored_face_has_mirrored_points_and_visibility():
    for index in range(20):
        chosen = sample_turned(np.random.default_rng([8, 0, index]))
        portrait, mirrored = Portrait.of(chosen), Portrait.of(chosen.mirrored())
        expected = geometry.mirror_points(portrait.points, SIZE, WFLW_98.mirror_permutation)
        np.testing.assert_allclose(mirrored.points, expected, atol=1e-3)
        np.testing.assert_array_equal(mirrored.hidden, portrait.hidden[WFLW_98.mirror_permutation])


@pytest.mark.parametrize("yaw", [-90, -65, 55, 75, 90])
def test_forehead_nose_and_chin_are_edges_of_the_skin_in_the_image(yaw: float):
    look = dataclasses.replace(parameters.Look(), hair_style="bald", skin=(250.0, 200.0, 160.0))
    portrait = Portrait.of(Parameters(pose=Pose(yaw=yaw), head_depth=1.6, look=look))
    dark = Parameters(pose=Pose(yaw=yaw), head_depth=1.6, look=look, photo=Photo(noise=0.0))
    image = drawing.draw(dark).image.astype(np.float32)
    outwards = np.sign(yaw) * portrait.parameters.pose.picture_right
    rows = np.searchsorted(portrait.profile.heights, [-30, 30, 44, 108])
    edge = portrait.profile.far_outline[rows]
    skin = np.array(
        [cv2.getRectSubPix(image, (1, 1), tuple(map(float, at)))[0, 0] for at in edge - 3 * outwards]
    )
    beyond = np.array(
        [cv2.getRectSubPix(image, (1, 1), tuple(map(float, at)))[0, 0] for at in edge + 3 * outwards]
    )
    assert (skin[:, 0] - skin[:, 2] > 15).all()  # skin is redder than it is blue
    assert (np.abs(skin - beyond).max(axis=1) > 20).all()


def test_landmarks_lie_on_the_drawn_skin():
    for index in range(40):
        chosen = sample_turned(np.random.default_rng([21, 0, index]))
        portrait = Portrait.of(chosen)
        assert portrait.points.min() > 4
        assert portrait.points.max() < SIZE - 5
        skin = np.zeros((4 * SIZE, 4 * SIZE), np.uint8)
        strips = portrait.profile.strips if portrait.profile else []
        for outline in [portrait.outline, *strips]:
            cv2.fillPoly(skin, [np.rint(geometry.resize_points(outline, 4.0)).astype(np.int32)], 255)
        distance = cv2.distanceTransform(255 - skin, cv2.DIST_L2, 5) / 4
        x, y = np.rint(geometry.resize_points(portrait.points, 4.0)).astype(int).T
        on_skin = (
            np.r_[:51, 60:98] if portrait.profile is None else np.r_[:98]
        )  # a nose may extend beyond the cheek
        assert distance[y, x][on_skin].max() < 4
