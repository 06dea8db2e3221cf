"""Crops of detections, crops around predicted landmarks, and the batches of crops."""

import itertools

import numpy as np
import pytest

from dsat_jax import five_points
from dsat_jax.inference import detections, face_crops
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import W300_68, read_scheme

DOTS = read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)
IMAGE = np.zeros((50, 60, 3), np.uint8)
CROP = FaceCrop(IMAGE, np.array([1.0, 2.0, 30.0, 40.0]), 0.4, 0.9)


def made_face(landmarks, scheme=DOTS) -> Face:
    return Face(CROP.box, np.asarray(landmarks, float), None, None, scheme)


def template_face(degrees: float) -> np.ndarray:
    """68 landmarks whose five points are the template, turned clockwise; the others are at the eyes."""
    landmarks = np.empty((68, 2))
    landmarks[:42], landmarks[42:] = five_points.TEMPLATE[0], five_points.TEMPLATE[1]
    landmarks[[30, 48, 54]] = five_points.TEMPLATE[2:]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = landmarks.T
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def with_faces(count: int, shape: tuple[int, ...] = (2, 3, 3)) -> tuple[np.ndarray, Detections]:
    return np.zeros(shape, np.uint8), Detections(np.zeros((count, 4)))


def test_each_detection_has_a_crop_with_its_box_roll_and_score():
    boxes = np.array([[0, 0, 10, 12], [20, 20, 40, 44]], np.float32)
    first, second = face_crops.of_detections(
        IMAGE, Detections(boxes, np.array([0.1, -0.2]), np.array([0.9, 0.8]))
    )
    assert first.image is second.image is IMAGE
    np.testing.assert_array_equal(second.box, [20, 20, 40, 44])
    assert second.box.dtype == np.float64
    assert (first.roll, second.roll) == (0.1, -0.2)
    assert (first.score, second.score) == (0.9, 0.8)


def test_detections_without_rolls_and_scores_are_upright():
    (crop,) = face_crops.of_detections(IMAGE, Detections(np.array([[0, 0, 10, 12]])))
    assert crop.roll == 0
    assert crop.score is None
    assert face_crops.of_detections(IMAGE, Detections(np.empty((0, 4)))) == []


def test_a_scheme_without_five_points_has_upright_refined_crops():
    refined = face_crops.refined(CROP, made_face([[10, 12], [30, 14], [22, 40]]))
    np.testing.assert_array_equal(refined.box, [10, 12, 30, 40])
    assert refined.roll == 0
    assert refined.score == 0.9
    assert refined.image is IMAGE


@pytest.mark.parametrize("degrees", [0, 20, -110])
def test_a_refined_crop_is_turned_by_the_roll_of_the_landmarks(degrees):
    """The sides of the box are those of the upright face: between the eyes, and from the eyes to the mouth."""
    refined = face_crops.refined(CROP, made_face(template_face(degrees), W300_68))
    assert refined.roll == pytest.approx(np.deg2rad(degrees), abs=1e-9)
    np.testing.assert_allclose(
        refined.box[2:] - refined.box[:2], [73.5318 - 38.2946, 92.3655 - 51.5014], atol=1e-9
    )


def test_collapsed_landmarks_keep_the_first_crop():
    """A line, and a box of less than a pixel, are no face."""
    for landmarks in ([[10, 12], [10, 30], [10, 20]], [[10, 12], [10.9, 12.9], [10.5, 12.5]]):
        assert face_crops.refined(CROP, made_face(landmarks)) is CROP
    refined = face_crops.refined(CROP, made_face([[10, 12], [11.1, 13.1], [10.5, 12.5]]))
    np.testing.assert_allclose(refined.box, [10, 12, 11.1, 13.1])


@pytest.mark.parametrize(
    ("faces", "devices", "size"),
    [(1, 1, 1), (2, 1, 2), (3, 1, 4), (5, 1, 8), (8, 1, 8), (1, 3, 3), (3, 3, 6), (8, 3, 9), (2, 8, 8)],
)
def test_a_batch_is_the_next_power_of_two_and_a_multiple_of_the_devices(faces, devices, size):
    assert face_crops.batch_size(faces, devices) == size


def test_images_are_grouped_until_their_faces_fill_a_batch():
    """An image without a face does not wait, unless others wait before it."""
    counts = [3, 4, 1, 0, 9, 2, 0, 5, 1, 1]
    groups = [[len(faces) for _, faces in group] for group in face_crops.groups(map(with_faces, counts))]
    assert groups == [[3, 4, 1], [0], [9], [2, 0, 5, 1], [1]]


def test_large_images_do_not_wait(monkeypatch):
    monkeypatch.setattr(face_crops, "_BYTES_AT_ONCE", 250)
    pairs = [
        with_faces(1, (10, 10, 1)),
        with_faces(1, (10, 10, 1)),
        with_faces(1, (10, 10, 1)),
        with_faces(1),
    ]
    assert [len(group) for group in face_crops.groups(pairs)] == [3, 1]


def test_images_before_an_error_are_yielded():
    def pairs():
        yield with_faces(1)
        yield with_faces(2)
        raise OSError("no more")

    groups = face_crops.groups(pairs())
    assert [len(faces) for _, faces in next(groups)] == [1, 2]
    with pytest.raises(OSError, match="no more"):
        next(groups)


def test_images_without_faces_do_not_hold_back_those_before_them():
    """A face, and then images without one: the first group ends after 16 images, not after 8 faces."""
    read = []

    def pairs():
        for number in itertools.count():
            read.append(number)
            image = np.zeros((4, 4, 3), np.uint8)
            yield image, Detections(np.array([[0.0, 0.0, 3.0, 3.0]])) if number == 0 else detections.NONE

    assert len(next(face_crops.groups(pairs()))) == len(read) == 16
