"""The Predictor, with a network whose answer is known: three landmarks, where red, green and blue are brightest."""

import concurrent.futures
import itertools
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

import dsat_jax
from dsat_jax import geometry, schemes
from dsat_jax.errors import UserError
from dsat_jax.inference import detections
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.face_crops import FACES_AT_ONCE
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import Predictor

ROOT = pathlib.Path(__file__).parents[2]
SIZE = 64
SCHEME = schemes.read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)


class BrightestPixels:
    """Finds the brightest pixel of each colour in every crop, and opens one channel.

    Attributes:
      shapes: shapes of the crops of every call.
      mirrors: whether each call was to be averaged with the mirrored crops.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.mirrors: list[bool] = []

    def __call__(self, crops: np.ndarray, mirror: bool) -> Landmarks:
        self.shapes.append(crops.shape)
        self.mirrors.append(mirror)
        brightest = crops.reshape(len(crops), -1, 3).argmax(
            axis=1
        )  # [batch, height * width, 3] -> [batch, 3]
        points = np.stack([brightest % SIZE, brightest // SIZE], axis=-1).astype(np.float32)
        return Landmarks(
            points, np.full((len(crops), 3), 0.5, np.float32), np.eye(len(crops), 4, dtype=np.float32)
        )


def dots(*faces: tuple[int, int]) -> np.ndarray:
    """An image of 200 x 300 pixels with faces of three dots, whose first ones are at (x, y)."""
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
    return dsat_jax.Predictor(network, SCHEME, SIZE, 0.25, find_faces=lambda image: detections.NONE)


def test_landmarks_are_in_the_pixels_of_the_image(predictor):
    (face,) = predictor(dots((100, 80)), [sloppy_box(100, 80)])
    np.testing.assert_allclose(
        face.landmarks, truth(100, 80), atol=0.7
    )  # of a crop at about the scale of the image
    np.testing.assert_array_equal(face.box, sloppy_box(100, 80))
    np.testing.assert_array_equal(face.bounds, face.box)
    assert (face.confidence, face.doubtful) == (0.5, False)
    np.testing.assert_array_equal(face.open_channels, [True, False, False, False])
    assert face.score is None


def test_the_refinement_pass_is_in_the_box_of_the_first_landmarks(network):
    seen = []
    recording = Predictor(
        lambda crops, mirror: seen.append(crops) or network(crops, mirror), SCHEME, SIZE, enlarge=0.25
    )
    recording(dots((100, 80)), [sloppy_box(100, 80)])
    first, second = (np.argwhere(crops[0].max(axis=-1) > 100) for crops in seen)
    assert np.ptp(first, axis=0).max() < 45  # of 64: in the sloppy box the face is small
    # In its own box, enlarged by a quarter on each side, it is two thirds as large as the crop.
    assert np.ptp(second, axis=0).max() == pytest.approx(SIZE * 31 / (31 * 1.5), abs=3)


@pytest.mark.parametrize(("least", "doubtful"), [(None, False), (0.49, False), (0.51, True)])
def test_a_face_of_less_than_the_least_confidence_is_doubtful(network, least, doubtful):
    predictor = Predictor(network, SCHEME, SIZE, 0.25, least_confidence=least)
    (face,) = predictor(dots((100, 80)), [sloppy_box(100, 80)])
    assert (face.confidence, face.doubtful) == (0.5, doubtful)


def test_without_a_refinement_pass_the_network_runs_once_in_the_given_box(predictor, network):
    (once,) = predictor(dots((100, 80)), [sloppy_box(100, 80)], looks=1)
    assert len(network.shapes) == 1
    (twice,) = predictor(dots((100, 80)), [sloppy_box(100, 80)], looks=2)
    assert len(network.shapes) == 3
    np.testing.assert_array_equal(once.box, twice.box)
    # The crop of the sloppy box samples the image more coarsely: a pixel of it is more than one of the image.
    assert np.abs(once.landmarks - truth(100, 80)).max() < 3
    with pytest.raises(ValueError, match="looks is 3, expected 1 or 2"):
        predictor(dots((100, 80)), [sloppy_box(100, 80)], looks=3)


def test_mirror_averaging_is_a_choice_of_the_call(predictor, network):
    predictor(dots((100, 80)), [sloppy_box(100, 80)])
    predictor(dots((100, 80)), [sloppy_box(100, 80)], mirror=False)
    list(predictor.predict_many([dots((100, 80))], [[sloppy_box(100, 80)]], looks=1, mirror=False))
    assert network.mirrors == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("faces", "devices", "batches"),
    [
        (1, 1, [1]),
        (2, 1, [2]),
        (3, 1, [4]),
        (5, 1, [8]),
        (9, 1, [8, 1]),
        (11, 1, [8, 4]),
        (1, 3, [3]),
        (3, 3, [6]),
        (9, 3, [9, 3]),
        (1, 8, [8]),
    ],
)
def test_a_batch_is_the_next_power_of_two_and_a_multiple_of_the_devices(network, faces, devices, batches):
    predictor = Predictor(network, SCHEME, SIZE, 0.25, devices=devices)
    corners = [(10 + 20 * i, 80) for i in range(faces)]
    predicted = predictor(dots(*corners), [sloppy_box(*corner) for corner in corners], looks=1, mirror=False)
    assert len(predicted) == faces
    assert network.shapes == [(rows, SIZE, SIZE, 3) for rows in batches]


def test_faces_of_many_images_come_in_order_whatever_their_number(predictor, network):
    faces = [[(20, 20)], [], [(100, 80), (200, 30)], *([[(40 + 10 * i, 60)] for i in range(20)])]
    images = [dots(*corners) for corners in faces]
    boxes = [np.array([sloppy_box(*corner) for corner in corners]).reshape(-1, 4) for corners in faces]
    predicted = list(predictor.predict_many(images, boxes))
    assert [len(faces_of_image) for faces_of_image in predicted] == [len(corners) for corners in faces]
    for faces_of_image, corners in zip(predicted, faces, strict=True):
        for face, corner in zip(faces_of_image, corners, strict=True):
            np.testing.assert_allclose(face.landmarks, truth(*corner), atol=0.7)
    # 23 faces: twice 8, then 7 in a batch of 8, each with a refinement pass.
    assert network.shapes == [(FACES_AT_ONCE, SIZE, SIZE, 3)] * (2 * 3)


def test_more_faces_than_fit_into_a_batch(predictor):
    corners = [(x, y) for x in (10, 60, 110, 160, 210, 260) for y in (10, 70, 130)]
    predicted = predictor(dots(*corners), np.array([sloppy_box(*corner) for corner in corners]))
    for face, corner in zip(predicted, corners, strict=True):
        np.testing.assert_allclose(face.landmarks, truth(*corner), atol=0.7)


def test_collapsed_landmarks_have_no_second_look():
    """A network that returns one position for all landmarks has no box for the refinement pass."""
    calls = []

    def collapsed(crops: np.ndarray, mirror: bool) -> Landmarks:
        calls.append(mirror)
        return Landmarks(np.full((len(crops), 3, 2), 31.5, np.float32), None, None)

    (face,) = Predictor(collapsed, SCHEME, SIZE, 0.25)(dots((100, 80)), [sloppy_box(100, 80)])
    assert len(calls) == 1
    np.testing.assert_allclose(face.landmarks, [[112, 98]] * 3)  # the centre of the box
    assert face.confidence is None
    assert face.open_channels is None


def test_only_faces_whose_crop_moves_have_a_second_look(network):
    """Faces in exact boxes have one look; the second looks of others run in a size that is already compiled."""
    seen = []
    recording = Predictor(
        lambda crops, mirror: seen.append(crops) or network(crops, mirror), SCHEME, SIZE, enlarge=0.25
    )
    corners = [(10, 80), (60, 80), (110, 80), (160, 80)]
    image, exact = dots(*corners), [geometry.box_of_points(truth(*corner)) for corner in corners]
    recording(image, exact)
    assert network.shapes == [(4, SIZE, SIZE, 3)]
    faces = recording(image, [exact[0], sloppy_box(*corners[1]), *exact[2:]])
    assert network.shapes == [(4, SIZE, SIZE, 3)] * 3
    assert [crop.any() for crop in seen[-1]] == [True, False, False, False]
    for face, corner in zip(faces, corners, strict=True):
        np.testing.assert_allclose(face.landmarks, truth(*corner), atol=0.7)
    recording(image, exact[:1])
    recording(image, [sloppy_box(*corners[0])])
    recording(image, [sloppy_box(*corners[1]), *exact[2:]])
    assert [shape[0] for shape in network.shapes[3:]] == [1, 1, 1, 4, 1]


def test_images_are_read_as_they_are_needed(predictor):
    read = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            read.append(number)
            yield dots((100, 80))

    predicted = predictor.predict_many(endless(), itertools.repeat([sloppy_box(100, 80)]))
    next(predicted)
    assert len(read) == FACES_AT_ONCE


def test_files_are_images_too_and_without_boxes_the_detector_runs(predictor, network, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), dots((100, 80))[..., ::-1])
    assert predictor(tmp_path / "a.png") == []
    box = geometry.box_of_points(truth(100, 80))
    detecting = Predictor(network, SCHEME, SIZE, 0.25, lambda image: Detections(box[None]))
    (face,) = detecting(str(tmp_path / "a.png"))
    np.testing.assert_allclose(face.landmarks, truth(100, 80), atol=0.7)


def test_a_detector_that_returns_boxes_alone_is_refused(network):
    predictor = Predictor(network, SCHEME, SIZE, 0.25, lambda image: np.empty((0, 4)))
    with pytest.raises(UserError, match="the face detector returned ndarray, expected Detections"):
        predictor(dots((100, 80)))


def test_what_cannot_be_predicted_is_refused(predictor, tmp_path):
    with pytest.raises(FileNotFoundError):
        predictor(tmp_path / "absent.jpg")
    with pytest.raises(UserError, match="box"):
        predictor(dots(), [[5, 5, 5, 9]])
    with pytest.raises(UserError, match=r"found boxes of shape \[1, 5\]"):
        predictor(dots(), [[5, 5, 9, 9, 1]])
    for boxes in (None, [[2, 2, 18, 18]]):
        with pytest.raises(UserError, match=r"found an array float64\[20, 30, 3\]"):
            predictor(np.zeros((20, 30, 3)), boxes)
    with pytest.raises(UserError, match="different numbers of images and boxes"):
        list(predictor.predict_many([dots(), dots()], [np.empty((0, 4))]))
    for one in ("photo.jpg", dots()):
        with pytest.raises(UserError, match="found one: call the predictor itself"):
            next(predictor.predict_many(one))


def test_images_without_a_face_do_not_wait(predictor):
    read = []

    def images() -> Iterator[np.ndarray]:
        for number in itertools.count():
            read.append(number)
            yield dots()

    predicted = predictor.predict_many(images())
    assert [next(predicted), next(predicted)] == [[], []]
    assert len(read) == 2


def test_images_before_one_that_cannot_be_read_are_not_lost(predictor, tmp_path):
    (tmp_path / "fake.jpg").write_text("no image")
    images = [dots((100, 80)), dots((20, 20)), tmp_path / "fake.jpg"]
    predicted = predictor.predict_many(images, [[sloppy_box(100, 80)], [sloppy_box(20, 20)], None])
    for corner in ((100, 80), (20, 20)):
        np.testing.assert_allclose(next(predicted)[0].landmarks, truth(*corner), atol=0.7)
    with pytest.raises(UserError, match=r"fake\.jpg is not an image"):
        next(predicted)


@pytest.mark.parametrize("second", [[[1, 2], [1]], ["no numbers"], None])
def test_faces_before_wrong_boxes_are_not_lost(predictor, second):
    boxes = [[sloppy_box(100, 80)], *([] if second is None else [second])]
    faces = predictor.predict_many([dots((100, 80)), dots((100, 80))], boxes)
    assert len(next(faces)) == 1
    with pytest.raises(UserError, match=r"found boxes|different numbers"):
        next(faces)


def test_threads_take_turns_at_the_detector(network):
    """OpenCV's detectors are not reentrant: two calls at once crash the process or mix their faces."""
    inside, most = [], []

    def find_faces(image: np.ndarray) -> Detections:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.005)
        inside.pop()
        return detections.NONE

    predictor = Predictor(network, SCHEME, SIZE, 0.25, find_faces)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predictor, [np.zeros((50, 60, 3), np.uint8)] * 12)) == [[]] * 12
    assert max(most) == 1


def test_faces_are_the_same_in_several_threads(network):
    photograph = cv2.cvtColor(cv2.imread(str(ROOT / "examples" / "astronaut.jpg")), cv2.COLOR_BGR2RGB)
    images = [
        photograph,
        np.rot90(photograph).copy(),
        photograph[:, ::-1].copy(),
        photograph[::2, ::2].copy(),
    ]
    predictor = Predictor(network, SCHEME, SIZE, 0.25)
    alone = [predictor(image)[0].box for image in images]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = [faces[0].box for faces in pool.map(predictor, images * 4)]
    np.testing.assert_array_equal(together, alone * 4)


@pytest.mark.parametrize("boxes", [None, [[1, 1, 6, 6]]])
def test_a_forked_process_is_told_to_make_its_own(boxes):
    """In a new process, because JAX warns of forks in this one."""
    script = f"""
import os, sys
import numpy as np
from drawn_faces import DotFinder
predictor = DotFinder().predictor
reader, writer = os.pipe()
if os.fork() == 0:
    try:
        predictor(np.zeros((8, 8, 3), np.uint8), boxes={boxes})
    except ValueError as error:
        os.write(writer, str(error).encode())
    os._exit(0)
os.wait()
sys.stdout.write(os.read(reader, 1000).decode())
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert "is used in one that was forked from it; make it in each process" in done.stdout


def test_predictors_may_share_a_detector():
    """The detector is never called while a call is in progress."""
    calls, overlaps = threading.Lock(), []

    def find_faces(image: np.ndarray) -> Detections:
        overlaps.append(not calls.acquire(blocking=False))
        time.sleep(0.01)
        if not overlaps[-1]:
            calls.release()
        return detections.NONE

    predictors = [Predictor(BrightestPixels(), SCHEME, SIZE, 0.0, find_faces) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: predictors[i % 2](np.zeros((8, 8, 3), np.uint8)), range(16)))
    assert overlaps == [False] * 16
