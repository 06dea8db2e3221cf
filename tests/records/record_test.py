"""Records: contents of a record, decoding of images, and refusal of inconsistent annotations."""

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord, cut_face, decode_picture, make_record

LANDMARKS = np.array([[30.0, 40.0], [50.0, 42.0], [41.0, 70.5]])


def gradient(width: int, height: int) -> np.ndarray:
    """An image, uint8 [height, width, 3]; red is x / 8, green is y / 8, both rounded."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.round(x / 8), np.round(y / 8), np.zeros_like(x)], axis=-1).astype(np.uint8)


def encode(extension: str, rgb: np.ndarray) -> bytes:
    return cv2.imencode(extension, rgb[..., ::-1])[1].tobytes()


def test_whole_image_keeps_bytes_and_coordinates():
    data = encode(".png", gradient(100, 90))
    record = make_record(cut=False, picture=data, landmarks=LANDMARKS, name="a.png", face=2)
    assert record["image"] == data
    np.testing.assert_array_equal(record["landmarks"], LANDMARKS.astype(np.float32))
    np.testing.assert_array_equal(record["box"], np.float32([30, 40, 50, 70.5]))
    np.testing.assert_array_equal(record["to_original"], [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(record["visibility"], [1, 1, 1])
    assert (record["name"], record["face"]) == ("a.png", 2)


def test_whole_image_of_pixels_without_a_file_is_lossless():
    image = gradient(100, 90)
    record = make_record(cut=False, picture=image, landmarks=LANDMARKS, name="a")
    np.testing.assert_array_equal(decode_picture(record["image"], "a"), image)


def test_dataset_box_is_stored_and_widens_the_cut():
    image = gradient(1000, 800)
    box = np.array([20.0, 30.0, 110.0, 130.0])
    with_box = make_record(cut=True, picture=image, landmarks=LANDMARKS, name="a", box=box)
    without = make_record(cut=True, picture=image, landmarks=LANDMARKS, name="a")
    corners = geometry.transform_points(with_box["to_original"], with_box["box"].reshape(2, 2))
    np.testing.assert_allclose(corners.reshape(4), box, atol=1e-4)
    areas = [decode_picture(record["image"], "a").size for record in (with_box, without)]
    assert areas[0] > areas[1]


def test_dataset_box_inside_the_landmarks_does_not_narrow_the_cut():
    image = gradient(1000, 800)
    inside = np.array([35.0, 45.0, 45.0, 55.0])
    with_box = make_record(cut=True, picture=image, landmarks=LANDMARKS, name="a", box=inside)
    without = make_record(cut=True, picture=image, landmarks=LANDMARKS, name="a")
    assert with_box["image"] == without["image"]


def test_one_known_landmark_is_enough_if_the_dataset_has_a_box():
    box = np.array([20.0, 30.0, 110.0, 130.0])
    visibility = np.array([UNKNOWN, VISIBLE, UNKNOWN])
    arguments = {
        "picture": gradient(1000, 800),
        "landmarks": LANDMARKS,
        "visibility": visibility,
        "name": "a",
    }
    record = make_record(cut=True, box=box, **arguments)
    cut, _ = cut_face(gradient(1000, 800), [box])
    assert decode_picture(record["image"], "a").shape == cut.shape
    with pytest.raises(DamagedRecord, match=r"the face box is \[50.0, 42.0, 50.0, 42.0\]"):
        make_record(cut=True, **arguments)


def test_landmarks_a_little_outside_the_image_are_kept():
    record = make_record(cut=False, picture=gradient(60, 50), landmarks=LANDMARKS, name="a")
    np.testing.assert_array_equal(record["landmarks"], LANDMARKS.astype(np.float32))


def test_unknown_landmarks_are_ignored_and_stored_as_zero():
    landmarks = np.concatenate([LANDMARKS, [[-1.0, -1.0], [np.nan, np.nan]]])
    visibility = np.array([VISIBLE, OCCLUDED, VISIBLE, UNKNOWN, UNKNOWN])
    image = gradient(1000, 800)
    known = make_record(cut=True, picture=image, landmarks=LANDMARKS, name="a")
    record = make_record(cut=True, picture=image, landmarks=landmarks, visibility=visibility, name="a")
    np.testing.assert_array_equal(record["landmarks"][:3], known["landmarks"])
    np.testing.assert_array_equal(record["landmarks"][3:], 0)
    np.testing.assert_array_equal(record["box"], known["box"])
    np.testing.assert_array_equal(record["visibility"], visibility)
    assert record["visibility"].dtype == np.uint8


def test_exif_orientation_is_ignored():
    image = gradient(90, 60)
    jpeg = encode(".jpg", image)
    # TIFF header, one entry: tag 0x0112 (orientation), type short, count 1, value 6 (rotate by 90 degrees).
    tiff = (
        b"II*\x00\x08\x00\x00\x00"
        + b"\x01\x00"
        + b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
        + bytes(4)
    )
    body = b"Exif\x00\x00" + tiff
    rotated = jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape == (90, 60, 3)
    np.testing.assert_array_equal(decode_picture(rotated, "a.jpg"), decode_picture(jpeg, "a.jpg"))


def test_grey_images_become_rgb():
    grey = gradient(20, 20)[..., 0]
    decoded = decode_picture(cv2.imencode(".png", grey)[1].tobytes(), "a.png")
    np.testing.assert_array_equal(decoded, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": b""}, "a.jpg: 0 bytes that do not decode as an image"),
        ({"picture": b"hello"}, "a.jpg: 5 bytes that do not decode as an image"),
        ({"landmarks": LANDMARKS * [1, np.nan]}, "a.jpg: 3 of 3 landmarks are not finite numbers"),
        ({"landmarks": LANDMARKS * [1, 0]}, "a.jpg: the face box is [30.0, 0.0, 50.0, 0.0], expected"),
        ({"visibility": np.zeros(3)}, "a.jpg: no landmark has a known position"),
        ({"box": np.array([3, 4, 3, 9])}, "a.jpg: the face box is [3.0, 4.0, 3.0, 9.0], expected"),
        ({"box": np.array([9, 4, 3, 9])}, "a.jpg: the face box is [9.0, 4.0, 3.0, 9.0], expected"),
        ({"landmarks": LANDMARKS + 90}, "a.jpg: landmarks within [120.0, 130.0, 140.0, 160.5], outside"),
        (
            {"landmarks": LANDMARKS * [1, 1e4]},
            "a.jpg: landmarks within [30.0, 400000.0, 50.0, 705000.0], far",
        ),
        (
            {"landmarks": LANDMARKS * [[1], [-4], [1]]},
            "a.jpg: landmarks within [-200.0, -168.0, 41.0, 70.5], far",
        ),
        ({"box": np.array([-101, 4, 3, 9])}, "a.jpg: the face box within [-101.0, 4.0, 3.0, 9.0], far"),
        (
            {"box": np.array([3, 4, 29, 90])},
            "a.jpg: landmarks within [30.0, 40.0, 50.0, 70.5], none of them in",
        ),
        ({"landmarks": LANDMARKS - 60}, "a.jpg: landmarks within [-30.0, -20.0, -10.0, 10.5], outside"),
        ({"picture": b"hello", "face": 2}, "a.jpg, face 2: 5 bytes that do not decode as an image"),
        ({"box": np.array([1, 1, np.inf, 9])}, "a.jpg: the face box is [1.0, 1.0, inf, 9.0], expected"),
    ],
)
@pytest.mark.parametrize("cut", [True, False])
def test_inconsistent_data_are_refused(cut: bool, change: dict, message: str):
    arguments = {"picture": encode(".jpg", gradient(100, 90)), "landmarks": LANDMARKS, "name": "a.jpg"}
    with pytest.raises(DamagedRecord) as error:
        make_record(cut=cut, **(arguments | change))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.98])
def test_truncated_images_are_damaged(extension: str, share: float):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    data = encode(extension, noise)
    with pytest.raises(DamagedRecord, match="do not decode"):
        decode_picture(data[: int(share * len(data))], "a")
