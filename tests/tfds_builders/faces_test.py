"""Records and cuts: pixels and landmarks move together, and every training crop is inside the cut."""

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dsat_jax import geometry
from dsat_jax.records import CUT_SIDE, OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord, cut_face, decode_picture
from tfds_builders import faces

FACES, ORIGINAL = faces.CONFIGS
LANDMARKS = np.array([[30.0, 40.0], [50.0, 42.0], [41.0, 70.5]])


def gradient(width: int, height: int) -> np.ndarray:
    """An image, uint8 [height, width, 3]; red is x / 8, green is y / 8, both rounded."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.round(x / 8), np.round(y / 8), np.zeros_like(x)], axis=-1).astype(np.uint8)


def encode(extension: str, rgb: np.ndarray) -> bytes:
    return cv2.imencode(extension, rgb[..., ::-1])[1].tobytes()


def test_the_default_configuration_is_faces():
    assert [config.name for config in faces.CONFIGS] == ["faces", "original"]


def test_features_have_attributes_only_where_the_dataset_has_them():
    assert "attributes" not in faces.features(5)
    spec = faces.features(5, ("pose", "blur"))
    assert spec["landmarks"].shape == (5, 2)
    assert sorted(spec["attributes"]) == ["blur", "pose"]


def test_original_keeps_bytes_and_coordinates():
    data = encode(".png", gradient(100, 90))
    record = faces.make_record(ORIGINAL, picture=data, landmarks=LANDMARKS, name="a.png", face=2)
    assert record["image"].getvalue() == data
    np.testing.assert_array_equal(record["landmarks"], LANDMARKS.astype(np.float32))
    np.testing.assert_array_equal(record["box"], np.float32([30, 40, 50, 70.5]))
    np.testing.assert_array_equal(record["to_original"], [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(record["visibility"], [1, 1, 1])
    assert (record["name"], record["face"]) == ("a.png", 2)


def test_original_of_drawn_pixels_is_lossless():
    picture = gradient(100, 90)
    record = faces.make_record(ORIGINAL, picture=picture, landmarks=LANDMARKS, name="a")
    np.testing.assert_array_equal(decode_picture(record["image"].getvalue(), "a"), picture)


def test_cut_by_hand():
    # The square fitted to a box 100 wide and 50 high has side (100^2 + 50^2) / 150 = 83.33. It reaches
    # 1.15 * 83.33 = 95.83 from the centre (350, 225): columns 254..446, rows 129..321.
    box = np.array([300.0, 200.0, 400.0, 250.0])
    cut, to_original = cut_face(gradient(1000, 800), [box])
    assert cut.shape == (193, 193, 3)
    np.testing.assert_array_equal(to_original, [[1, 0, 254], [0, 1, 129]])
    np.testing.assert_array_equal(cut, gradient(1000, 800)[129:322, 254:447])


def test_cut_ends_where_the_image_ends_and_is_never_enlarged():
    cut, to_original = cut_face(gradient(60, 40), [np.array([-10.0, 5.0, 30.0, 35.0])])
    assert cut.shape == (40, 53, 3)
    np.testing.assert_array_equal(to_original, [[1, 0, 0], [0, 1, 0]])


def test_the_pixels_of_a_shrunk_cut_fit_its_transform():
    picture = gradient(1999, 1800)
    cut, to_original = cut_face(picture, [np.array([700.0, 500.0, 1303.0, 1203.0])])
    height, width = cut.shape[:2]
    assert max(height, width) == CUT_SIDE
    columns = geometry.transform_points(to_original, np.stack([np.arange(width), np.zeros(width)], axis=1))[
        :, 0
    ]
    rows = geometry.transform_points(to_original, np.stack([np.zeros(height), np.arange(height)], axis=1))[
        :, 1
    ]
    # A gradient keeps its values at the centres of averaged areas. Half a pixel of the cut would be 0.25.
    red, green = cut[..., 0].mean(axis=0), cut[..., 1].mean(axis=1)
    assert abs(np.mean(red - columns / 8)) < 0.03
    assert abs(np.mean(green - rows / 8)) < 0.03


coordinate = st.floats(400, 1100)
side = st.floats(20, 500)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    box=st.tuples(coordinate, coordinate, side, side),
    offset=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.7, 1.4)),
    size=st.sampled_from([128, 192, 256]),
    angle=st.sampled_from([-30.0, 0.0, 30.0]),
    mirror=st.booleans(),
)
def test_every_training_crop_is_inside_the_cut(box, offset, size, angle, mirror):
    x, y, width, height = box
    landmark_box = np.array([x, y, x + width, y + height])
    dataset_box = landmark_box.reshape(2, 2) + np.array(offset[:2]) * [width, height]
    dataset_box[1] = dataset_box[0] + (dataset_box[1] - dataset_box[0]) * offset[2]
    dataset_box = dataset_box.reshape(4)
    picture = np.zeros((2600, 2600, 3), np.uint8)
    cut, to_original = cut_face(picture, [landmark_box, dataset_box])
    edge = np.array([-0.5, size - 0.5])
    corners = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
    for crop_box in (landmark_box, dataset_box):
        for shift in ([0.1, 0.1], [-0.1, 0.1], [0.1, -0.1], [-0.1, -0.1]):
            jitter = geometry.jitter_matrix(size, angle, 0.9, size * np.array(shift), mirror)
            to_input = geometry.compose(jitter, geometry.crop_matrix(crop_box, size, 0.125))
            in_original = geometry.transform_points(geometry.invert(to_input), corners)
            in_cut = geometry.transform_points(
                geometry.invert(to_original), np.clip(in_original, -0.5, 2599.5)
            )
            assert in_cut.min() >= -0.5 - 1e-6
            assert (in_cut <= np.array(cut.shape[1::-1]) - 0.5 + 1e-6).all()


def test_dataset_box_is_stored_and_widens_the_cut():
    picture = gradient(1000, 800)
    box = np.array([20.0, 30.0, 110.0, 130.0])
    with_box = faces.make_record(FACES, picture=picture, landmarks=LANDMARKS, name="a", box=box)
    without = faces.make_record(FACES, picture=picture, landmarks=LANDMARKS, name="a")
    corners = geometry.transform_points(with_box["to_original"], with_box["box"].reshape(2, 2))
    np.testing.assert_allclose(corners.reshape(4), box, atol=1e-4)
    areas = [decode_picture(record["image"].getvalue(), "a").size for record in (with_box, without)]
    assert areas[0] > areas[1]


def test_dataset_box_inside_the_landmarks_does_not_narrow_the_cut():
    picture = gradient(1000, 800)
    inside = np.array([35.0, 45.0, 45.0, 55.0])
    with_box = faces.make_record(FACES, picture=picture, landmarks=LANDMARKS, name="a", box=inside)
    without = faces.make_record(FACES, picture=picture, landmarks=LANDMARKS, name="a")
    assert with_box["image"].getvalue() == without["image"].getvalue()


def test_one_known_landmark_is_enough_if_the_dataset_has_a_box():
    box = np.array([20.0, 30.0, 110.0, 130.0])
    visibility = np.array([UNKNOWN, VISIBLE, UNKNOWN])
    arguments = {
        "picture": gradient(1000, 800),
        "landmarks": LANDMARKS,
        "visibility": visibility,
        "name": "a",
    }
    record = faces.make_record(FACES, box=box, **arguments)
    cut, _ = cut_face(gradient(1000, 800), [box])
    assert decode_picture(record["image"].getvalue(), "a").shape == cut.shape
    with pytest.raises(DamagedRecord, match=r"the face box is \[50.0, 42.0, 50.0, 42.0\]"):
        faces.make_record(FACES, **arguments)


def test_landmarks_a_little_outside_the_image_are_kept():
    record = faces.make_record(ORIGINAL, picture=gradient(60, 50), landmarks=LANDMARKS, name="a")
    np.testing.assert_array_equal(record["landmarks"], LANDMARKS.astype(np.float32))


def test_unknown_landmarks_are_ignored_and_stored_as_zero():
    landmarks = np.concatenate([LANDMARKS, [[-1.0, -1.0], [np.nan, np.nan]]])
    visibility = np.array([VISIBLE, OCCLUDED, VISIBLE, UNKNOWN, UNKNOWN])
    picture = gradient(1000, 800)
    known = faces.make_record(FACES, picture=picture, landmarks=LANDMARKS, name="a")
    record = faces.make_record(FACES, picture=picture, landmarks=landmarks, visibility=visibility, name="a")
    np.testing.assert_array_equal(record["landmarks"][:3], known["landmarks"])
    np.testing.assert_array_equal(record["landmarks"][3:], 0)
    np.testing.assert_array_equal(record["box"], known["box"])
    np.testing.assert_array_equal(record["visibility"], visibility)
    assert record["visibility"].dtype == np.uint8


def test_exif_orientation_is_ignored():
    picture = gradient(90, 60)
    jpeg = encode(".jpg", picture)
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
@pytest.mark.parametrize("config", faces.CONFIGS, ids=lambda config: config.name)
def test_damage_is_named(config: faces.FacesConfig, change: dict, message: str):
    arguments = {"picture": encode(".jpg", gradient(100, 90)), "landmarks": LANDMARKS, "name": "a.jpg"}
    with pytest.raises(DamagedRecord) as error:
        faces.make_record(config, **(arguments | change))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.98])
def test_truncated_images_are_damaged(extension: str, share: float):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    data = encode(extension, noise)
    with pytest.raises(DamagedRecord, match="do not decode"):
        decode_picture(data[: int(share * len(data))], "a")
