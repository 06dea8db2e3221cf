"""The Predictor, with a network whose answer is known: three landmarks, where red, green and blue are brightest."""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

import dsat_jax
from dsat_jax import geometry, schemes
from dsat_jax.errors import UserError
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import FACES_AT_ONCE, Predictor

SIZE = 64
SCHEME = schemes.read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)


class BrightestPixels:
    """Finds the brightest pixel of each colour in every crop, and opens one channel.

    Attributes:
      shapes: shapes of the crops of every call.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, crops: np.ndarray) -> Landmarks:
        self.shapes.append(crops.shape)
        brightest = crops.reshape(len(crops), -1, 3).argmax(
            axis=1
        )  # [batch, height * width, 3] -> [batch, 3]
        points = np.stack([brightest % SIZE, brightest // SIZE], axis=-1).astype(np.float32)
        return Landmarks(
            points, np.full((len(crops), 3), 0.5, np.float32), np.eye(len(crops), 4, dtype=np.float32)
        )


def picture(*faces: tuple[int, int]) -> np.ndarray:
    """A picture of 200 x 300 pixels with faces of three dots, whose first ones are at (x, y)."""
    image = np.zeros((200, 300, 3), np.uint8)
    for x, y in faces:
        for colour, (right, down) in enumerate(((0, 0), (30, 0), (15, 30))):
            image[y + down - 1 : y + down + 2, x + right - 1 : x + right + 2, colour] = 120
            image[y + down, x + right, colour] = 255
    return image


def truth(x: int, y: int) -> np.ndarray:
    return np.array([[x, y], [x + 30, y], [x + 15, y + 30]], float)


def sloppy_box(x: int, y: int) -> np.ndarray:
    """Half as large again as the face, and off to a side."""
    return np.array([x - 14, y - 8, x + 38, y + 44], float)


@pytest.fixture
def network() -> BrightestPixels:
    return BrightestPixels()


@pytest.fixture
def predictor(network) -> Predictor:
    return dsat_jax.Predictor(network, SCHEME, SIZE, enlarge=0.25, find_faces=lambda image: np.empty((0, 4)))


def test_landmarks_are_in_the_pixels_of_the_picture(predictor):
    (face,) = predictor(picture((100, 80)), [sloppy_box(100, 80)])
    np.testing.assert_allclose(
        face.landmarks, truth(100, 80), atol=0.7
    )  # of a crop at about the picture's scale
    np.testing.assert_array_equal(face.box, sloppy_box(100, 80))
    np.testing.assert_array_equal(face.confidence, np.full(3, 0.5))
    np.testing.assert_array_equal(face.open_channels, [True, False, False, False])


def test_the_second_look_is_at_the_landmarks_of_the_first(network):
    seen = []
    recording = Predictor(lambda crops: seen.append(crops) or network(crops), SCHEME, SIZE, enlarge=0.25)
    recording(picture((100, 80)), [sloppy_box(100, 80)])
    first, second = (np.argwhere(crops[0].max(axis=-1) > 100) for crops in seen)
    assert np.ptp(first, axis=0).max() < 45  # of 64: in the sloppy box the face is small
    # In its own box, enlarged by a quarter on each side, it is two thirds as large as the crop.
    assert np.ptp(second, axis=0).max() == pytest.approx(SIZE * 31 / (31 * 1.5), abs=3)


def test_one_look_runs_the_network_once_in_the_given_box(predictor, network):
    (once,) = predictor(picture((100, 80)), [sloppy_box(100, 80)], looks=1)
    assert len(network.shapes) == 1
    (twice,) = predictor(picture((100, 80)), [sloppy_box(100, 80)], looks=2)
    assert len(network.shapes) == 3
    np.testing.assert_array_equal(once.box, twice.box)
    # The crop of the sloppy box samples the image more coarsely: a pixel of it is more than one of the image.
    assert np.abs(once.landmarks - truth(100, 80)).max() < 3
    with pytest.raises(ValueError, match="looks is 3, expected 1 or 2"):
        predictor(picture((100, 80)), [sloppy_box(100, 80)], looks=3)


def test_faces_of_many_images_come_in_order_whatever_their_number(predictor, network):
    faces = [[(20, 20)], [], [(100, 80), (200, 30)], *([[(40 + 10 * i, 60)] for i in range(20)])]
    images = [picture(*corners) for corners in faces]
    boxes = [np.array([sloppy_box(*corner) for corner in corners]).reshape(-1, 4) for corners in faces]
    predicted = list(predictor.predict_many(images, boxes))
    assert [len(faces_of_image) for faces_of_image in predicted] == [len(corners) for corners in faces]
    for faces_of_image, corners in zip(predicted, faces, strict=True):
        for face, corner in zip(faces_of_image, corners, strict=True):
            np.testing.assert_allclose(face.landmarks, truth(*corner), atol=0.7)
    assert set(network.shapes) == {(FACES_AT_ONCE, SIZE, SIZE, 3)}  # one compiled shape
    assert len(network.shapes) == 2 * 3  # 23 faces, 8 at once, twice


def test_more_faces_than_fit_into_a_batch(predictor):
    corners = [(x, y) for x in (10, 60, 110, 160, 210, 260) for y in (10, 70, 130)]
    predicted = predictor(picture(*corners), np.array([sloppy_box(*corner) for corner in corners]))
    for face, corner in zip(predicted, corners, strict=True):
        np.testing.assert_allclose(face.landmarks, truth(*corner), atol=0.7)


def test_images_are_read_as_they_are_needed(predictor):
    read = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            read.append(number)
            yield picture((100, 80))

    predicted = predictor.predict_many(endless(), itertools.repeat([sloppy_box(100, 80)]))
    next(predicted)
    assert len(read) == FACES_AT_ONCE


def test_files_are_images_too_and_without_boxes_the_detector_runs(predictor, network, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture((100, 80))[..., ::-1])
    assert predictor(tmp_path / "a.png") == []
    detecting = Predictor(
        network,
        SCHEME,
        SIZE,
        0.25,
        find_faces=lambda image: np.array([geometry.box_of_points(truth(100, 80))]),
    )
    (face,) = detecting(str(tmp_path / "a.png"))
    np.testing.assert_allclose(face.landmarks, truth(100, 80), atol=0.7)


def test_what_cannot_be_predicted_is_refused(predictor, tmp_path):
    with pytest.raises(FileNotFoundError):
        predictor(tmp_path / "absent.jpg")
    with pytest.raises(ValueError, match="box"):
        predictor(picture(), [[5, 5, 5, 9]])
    with pytest.raises(ValueError, match="different numbers of images and boxes"):
        list(predictor.predict_many([picture(), picture()], [np.empty((0, 4))]))


@pytest.mark.parametrize(
    ("array", "described"),
    [
        (np.zeros((20, 30, 3)), r"float64\[20, 30, 3\]"),
        (np.zeros((3, 20, 30), np.uint8), r"uint8\[3, 20, 30\]"),
        (np.zeros((0, 0, 3), np.uint8), r"uint8\[0, 0, 3\]"),
    ],
)
def test_arrays_of_another_form_are_refused(predictor, array, described):
    for boxes in (None, [[2, 2, 18, 18]]):
        with pytest.raises(ValueError, match=rf"found an array {described}, expected an image uint8"):
            predictor(array, boxes)


def test_images_without_a_face_do_not_wait(predictor):
    read = []

    def images() -> Iterator[np.ndarray]:
        for number in itertools.count():
            read.append(number)
            yield picture()

    predicted = predictor.predict_many(images())
    assert [next(predicted), next(predicted)] == [[], []]
    assert len(read) == 2


def test_grey_and_transparent_arrays_are_images(predictor):
    image = picture((100, 80))
    grey = image.max(axis=-1)
    opaque = np.concatenate([image, np.full((*grey.shape, 1), 255, np.uint8)], axis=-1)
    box = [sloppy_box(100, 80)]
    np.testing.assert_array_equal(predictor(opaque, box)[0].landmarks, predictor(image, box)[0].landmarks)
    np.testing.assert_array_equal(
        predictor(grey, box)[0].landmarks, predictor(grey[..., None], box)[0].landmarks
    )


def test_images_before_one_that_cannot_be_read_are_not_lost(predictor, tmp_path):
    (tmp_path / "fake.jpg").write_text("no picture")
    images = [picture((100, 80)), picture((20, 20)), tmp_path / "fake.jpg"]
    predicted = predictor.predict_many(images, [[sloppy_box(100, 80)], [sloppy_box(20, 20)], None])
    for corner in ((100, 80), (20, 20)):
        np.testing.assert_allclose(next(predicted)[0].landmarks, truth(*corner), atol=0.7)
    with pytest.raises(ValueError, match=r"fake\.jpg is not an image"):
        next(predicted)


def test_what_is_not_many_images_and_boxes_elsewhere_are_refused(predictor):
    for one in ("photo.jpg", picture()):
        with pytest.raises(ValueError, match="found one: call the predictor itself"):
            next(predictor.predict_many(one))
    with pytest.raises(ValueError, match=r"found boxes of shape \[1, 5\], expected \[faces, 4\]"):
        predictor(picture(), [[5, 5, 9, 9, 1]])
    with pytest.raises(ValueError, match="is outside the image of 300 x 200 px"):
        predictor(picture(), [[8300, 6900, 9900, 9900]])


@pytest.mark.parametrize("second", [[[1, 2], [1]], ["no numbers"], None])
def test_faces_before_wrong_boxes_are_not_lost(predictor, second):
    boxes = [[sloppy_box(100, 80)], *([] if second is None else [second])]
    faces = predictor.predict_many([picture((100, 80)), picture((100, 80))], boxes)
    assert len(next(faces)) == 1
    with pytest.raises(UserError, match=r"found boxes|different numbers"):
        next(faces)
