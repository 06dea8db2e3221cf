"""The five points of face alignment: their place in a scheme, the roll and the box that follow from them."""

import numpy as np
import pytest

from dsat_jax import five_points, geometry
from dsat_jax.schemes import AFLW_19, W300_68, read_scheme
from tfds_builders.synthetic_faces.drawing import draw_face

EYES = [(70.0, 70.0), (130.0, 70.0)]
MOUTH = [(70.0, 130.0), (130.0, 130.0)]
FRONTAL = np.array([*EYES, (100.0, 105.0), *MOUTH])
# Eyes and mouth are the corners of a square of 60 px: their spread is sqrt(30^2 + 30^2).
SPREAD = 30 * np.sqrt(2)
BOX = np.array([100 - 1.62 * SPREAD, 100 - 1.36 * SPREAD, 100 + 1.62 * SPREAD, 100 + 1.82 * SPREAD])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points turned clockwise in the image, y downwards, about the origin."""
    angle = np.deg2rad(degrees)
    x, y = points[..., 0], points[..., 1]
    return np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=-1)


def test_the_points_of_a_scheme_are_means_of_its_landmarks():
    landmarks = np.random.default_rng(0).uniform(0, 99, (68, 2))
    points = five_points.of_landmarks(landmarks, W300_68)
    expected = [landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0), *landmarks[[30, 48, 54]]]
    np.testing.assert_allclose(points, expected)


def test_a_scheme_without_nose_and_mouth_has_no_five_points():
    dots = {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}
    assert five_points.of_landmarks(np.zeros((3, 2)), read_scheme(dots, "here")) is None
    assert five_points.of_landmarks(np.zeros((19, 2)), AFLW_19).shape == (5, 2)


@pytest.mark.parametrize("degrees", [0, 30, -45, 90, 135, -170])
def test_the_roll_of_a_turned_template_is_its_angle(degrees):
    points = 1.7 * turned(five_points.TEMPLATE, degrees) + [40, -300]
    assert five_points.roll_of(points) == pytest.approx(np.deg2rad(degrees), abs=1e-9)


def test_the_roll_of_a_quarter_turn_worked_out_by_hand():
    """Clockwise by 90 degrees, the eyes are on the right, the left one above: (x, y) is at (-y, x)."""
    quarter = np.stack([-FRONTAL[:, 1], FRONTAL[:, 0]], axis=-1)
    assert five_points.roll_of(quarter) - five_points.roll_of(FRONTAL) == pytest.approx(np.pi / 2)


def test_a_mirrored_face_has_the_opposite_roll_and_the_mirrored_box():
    points = 2 * turned(five_points.TEMPLATE, 20) + np.random.default_rng(0).normal(0, 3, (5, 2))
    mirrored = np.array([99, 0]) + points[[1, 0, 2, 4, 3]] * [-1, 1]
    # A tolerance of one degree, because the template itself is not quite symmetric.
    assert five_points.roll_of(mirrored) == pytest.approx(-five_points.roll_of(points), abs=np.deg2rad(1))
    left, right = five_points.landmark_box(points, 0.3), five_points.landmark_box(mirrored, -0.3)
    np.testing.assert_allclose(right, [99 - left[2], left[1], 99 - left[0], left[3]])


def test_the_box_of_a_frontal_and_of_a_turned_head_worked_out_by_hand():
    np.testing.assert_allclose(five_points.landmark_box(FRONTAL, 0.0), BOX)
    nose_right = FRONTAL.copy()
    nose_right[2, 0] += 10  # the head is turned: more of the jaw is on the left
    np.testing.assert_allclose(five_points.landmark_box(nose_right, 0.0), BOX - [11.7, 0, 11.7, 0])


@pytest.mark.parametrize("degrees", [25, -60, 180])
def test_the_box_of_a_rolled_face_is_that_of_the_upright_face_turned(degrees):
    """The sides are those of the upright box; the centre is turned with the face."""
    box = five_points.landmark_box(turned(FRONTAL, degrees), np.deg2rad(degrees))
    np.testing.assert_allclose(box[2:] - box[:2], BOX[2:] - BOX[:2])
    centre = turned(np.array([(BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2]), degrees)
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, centre)


def test_boxes_fit_drawn_faces():
    """With the five points among the 98 of a drawn face the overlap is as high as on photographs."""
    overlaps = []
    for index in range(8):
        points = draw_face(seed=0, split=1, index=index).points.astype(np.float64)
        eyes = points[60:68].mean(axis=0), points[68:76].mean(axis=0)
        box = five_points.landmark_box(np.array([*eyes, points[54], points[76], points[82]]), 0.0)
        truth = geometry.box_of_points(points)
        overlaps.append(geometry.box_overlaps(box[None], truth[None])[0, 0])
    assert np.median(overlaps) > 0.8


def test_collapsed_points_have_no_roll_and_an_empty_box():
    collapsed = np.full((5, 2), [40.0, 30.0])
    assert five_points.roll_of(collapsed) == 0
    np.testing.assert_allclose(five_points.landmark_box(collapsed, 0.0), [40, 30, 40, 30])
