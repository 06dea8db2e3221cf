"""MTCNN on a photograph whose five points were measured by hand, and on turned, small and empty images."""

import pathlib

import cv2
import numpy as np
import pytest

from dsat_jax import Predictor, geometry
from dsat_jax.inference import image_input
from dsat_jax.inference.detectors import mtcnn
from dsat_jax.inference.detectors.mtcnn import FaceDetector

# Pupils, tip of the nose and corners of the mouth, read off an enlarged view of the image of 720 x 720 px.
POINTS = np.array([[299, 219], [407, 224], [354, 284], [296, 316], [405, 317]], float)
HEAD = slice(60, 480), slice(140, 560)  # rows and columns around the face
TOLERANCE = 8  # pixels, of 108 between the pupils


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return image_input.read_image(pathlib.Path(__file__).parents[3] / "docs" / "astronaut.jpg")


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def test_a_face_is_found_where_it_is(detector, image):
    found = detector(image)
    assert len(found) == 1
    assert np.abs(found.points[0] - POINTS).max() < TOLERANCE
    assert 0.99 < found.scores[0] <= 1
    # By hand: the pupils are 5 px apart in height and 108 px in width, a slope of 0.046.
    assert found.rolls[0] == pytest.approx(0.046, abs=0.03)


@pytest.mark.parametrize(("side", "smallest"), [(500, 20.0), (4096, 80.0)])
def test_the_smallest_face_that_is_looked_for_is_told(detector, side, smallest):
    assert detector(np.zeros((64, side, 3), np.uint8)).smallest == smallest


def test_the_box_is_about_that_of_the_landmarks(detector, image):
    found = detector(image)
    (face,) = Predictor.pretrained("dsat-300w", lambda image: found)(image, looks=1, mirror=False)
    truth = geometry.rolled_box(face.landmarks, found.rolls[0])
    assert geometry.box_overlaps(found.boxes, truth[None])[0, 0] > 0.75


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_has_the_turned_points_and_roll(detector, image, turns):
    """Clockwise by a right angle, the pixel (x, y) of an image of 720 px is at (719 - y, x)."""
    expected = POINTS
    for _ in range(turns):
        expected = np.stack([719 - expected[:, 1], expected[:, 0]], axis=-1)
    found = detector(np.ascontiguousarray(np.rot90(image, -turns)))
    assert len(found) == 1
    assert np.abs(found.points[0] - expected).max() < TOLERANCE
    difference = found.rolls[0] - 0.046 - turns * np.pi / 2
    assert abs((difference + np.pi) % (2 * np.pi) - np.pi) < 0.03


def test_a_sure_face_of_a_turned_image_counts_more_than_an_unsure_upright_one(image):
    """With a threshold of 0.1, something like a face of score 0.24 is found in the image upside down."""
    found = FaceDetector(threshold=0.1)(np.ascontiguousarray(image[::-1, ::-1]))
    assert len(found) == 1
    assert np.abs(found.points[0] - (719 - POINTS)).max() < TOLERANCE


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_quarter_turn_moves_pixels_only(turn):
    image = np.random.default_rng(0).integers(0, 256, (5, 9, 3), np.uint8)
    degrees = {cv2.ROTATE_90_CLOCKWISE: 90, cv2.ROTATE_180: 180, cv2.ROTATE_90_COUNTERCLOCKWISE: 270}[turn]
    np.testing.assert_array_equal(mtcnn._turn(image, degrees)[0], cv2.rotate(image, turn))


@pytest.mark.parametrize("degrees", [45, 90, 135, 180, 225, 270, 315])
def test_points_of_a_turned_image_are_mapped_back(degrees):
    """A bright spot that touches two sides of an image of unequal sides: nothing of its corners is cut off."""
    for place in ([86, 3], [3, 46]):
        image = np.zeros((50, 90, 3), np.uint8)
        cv2.circle(image, place, 3, (255, 255, 255), -1)
        turned, matrix = mtcnn._turn(image, degrees)
        assert turned.sum(dtype=float) == pytest.approx(image.sum(dtype=float), rel=0.06)
        y, x = np.argwhere(turned[..., 0] > 127).mean(axis=0)
        found = geometry.transform_points(geometry.invert(matrix), np.array([[x, y]]))
        np.testing.assert_allclose(found, [place], atol=0.3)


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_a_face_between_two_quarter_turns_is_found(detector, image, degrees):
    """Its points are less exact if it is found in a quarter turn: within a tenth of the distance of the pupils."""
    turned, matrix = mtcnn._turn(image, degrees)
    found = detector(turned)
    assert len(found) == 1
    assert np.abs(found.points[0] - geometry.transform_points(matrix, POINTS)).max() < 10.8


@pytest.mark.parametrize("side", [54, 40])
def test_a_small_face_in_a_large_image_is_found(detector, image, side):
    """The face of 233 px is reduced to 30 or 22 px; its image of 420 px covers 54 or 40 px of 1000."""
    canvas = np.full((1000, 1000, 3), 90, np.uint8)
    canvas[600 : 600 + side, 700 : 700 + side] = cv2.resize(
        image[HEAD], (side, side), interpolation=cv2.INTER_AREA
    )
    found = detector(canvas)
    assert len(found) == 1
    expected = geometry.resize_points(POINTS - [140, 60], side / 420) + np.array([700, 600])
    assert np.abs(found.points[0] - expected).max() < 3


def test_points_of_a_reduced_image_are_in_pixels_of_the_original(detector, image):
    """An image of 1800 x 1260 px is searched at 1024 x 717 px."""
    large = cv2.resize(image[:504], (1800, 1260), interpolation=cv2.INTER_LINEAR)
    found = detector(large)
    assert len(found) == 1
    assert np.abs(found.points[0] - geometry.resize_points(POINTS, 2.5)).max() < 2.5 * TOLERANCE


def test_faces_are_in_their_order_from_left_to_right(detector, image):
    """The head in three sizes side by side, the largest in the middle."""
    sides, expected, row = (150, 300, 200), [], np.full((300, 650, 3), 90, np.uint8)
    left = 0
    for side in sides:
        row[:side, left : left + side] = cv2.resize(image[HEAD], (side, side), interpolation=cv2.INTER_AREA)
        expected.append(geometry.resize_points(POINTS - [140, 60], side / 420) + np.array([left, 0]))
        left += side
    found = detector(row)
    assert len(found) == 3
    for points, truth, side in zip(found.points, expected, sides, strict=True):
        assert np.abs(points - truth).max() < 10 * side / 420 + 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3000, 3), (3000, 1, 3), (2, 500, 3)])
def test_thin_images_have_no_face(detector, shape):
    found = detector(np.full(shape, 128, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)


def test_noise_has_no_face(detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    assert len(detector(noise)) == 0
    assert len(detector(np.zeros((200, 300, 3), np.uint8))) == 0


def test_a_face_below_the_threshold_is_no_face(detector, image):
    head = np.ascontiguousarray(image[HEAD])
    (score,) = detector(head).scores
    assert score < 1
    assert len(FaceDetector(threshold=(1 + score) / 2)(head)) == 0
    assert len(FaceDetector(threshold=score - 1e-3)(head)) == 1
