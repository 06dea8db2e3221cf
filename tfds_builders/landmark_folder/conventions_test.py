"""Shares, missing points and turned images: refused without a statement, converted with one."""

import json
import pathlib

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE
from tfds_builders import BuildError, build
from tfds_builders.landmark_folder import conventions
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.conventions import Conventions
from tfds_builders.landmark_folder.example_points import BOX, FIVE, PICTURES, points_of, write
from tfds_builders.landmark_folder.options import Options, read_options

SIZE = 256  # side of the example images


def records_of(root: pathlib.Path, config: str = "original") -> dict[str, dict]:
    data_dir = root.parent / f"built{len(list(root.parent.iterdir()))}"
    builder = build.build(f"landmark_folder/{config}", root, data_dir)[0]
    splits = builder.info.splits
    return {record["name"].decode(): record for split in splits for record in builder.as_data_source(split)}


def choose(root: pathlib.Path, **options: object) -> None:
    write(root, "landmarks.json", {"scheme": FIVE, "test": 0.3, **options})


@pytest.mark.parametrize(("unit", "whole"), [("share", 1), ("percent", 100)])
def test_shares_of_the_sides_become_pixels(root: pathlib.Path, unit: str, whole: int):
    faces = {
        picture: {
            "landmarks": ((points_of(picture) + 0.5) / SIZE * whole).tolist(),
            "box": ((BOX + 0.5) / SIZE * whole).tolist(),
        }
        for picture in PICTURES
    }
    write(root, "points.json", faces)
    choose(root, points_unit=unit)
    for name, record in records_of(root).items():
        np.testing.assert_allclose(record["landmarks"], points_of(name), atol=1e-4)
        np.testing.assert_allclose(record["box"], BOX, atol=1e-4)


def test_points_between_0_and_1_are_refused(root: pathlib.Path):
    write(root, "points.json", {picture: (points_of(picture) / SIZE).tolist() for picture in PICTURES})
    message = (
        r"mine: all points of 8 faces are between 0 and 1, those of points\.json, anna/0\.jpg for example, expected "
        r'pixels; add "points_unit": "share" to landmarks\.json'
    )
    with pytest.raises(BuildError, match=message):
        records_of(root)
    choose(root, points_unit="pixel")
    assert len(records_of(root)) == len(PICTURES)


@pytest.mark.parametrize("place", [[-1, -1], [0, 0], [-256, -256], [0, -1], [7.5, 900]])
def test_a_place_for_points_without_a_position_is_refused_until_it_is_explained(
    root: pathlib.Path, place: list
):
    rows = {picture: points_of(picture).tolist() for picture in PICTURES}
    for picture in PICTURES[:5]:
        rows[picture][2] = place
    write(root, "points.json", rows)
    shown = f"{place[0]:g}, {place[1]:g}"
    message = (
        rf"mine: 5 points are at \({shown}\), point 2 of points\.json, anna/0\.jpg for example; add "
        rf'"missing": \[{shown}\] to landmarks\.json if a point there has no position, or "missing": \[\]'
    )
    with pytest.raises(BuildError, match=message):
        records_of(root)
    choose(root, missing=place)
    for name, record in records_of(root).items():
        hidden = name in PICTURES[:5]
        assert record["visibility"].tolist() == [1, 1, UNKNOWN if hidden else VISIBLE, 1, 1]
        known = record["visibility"] != UNKNOWN
        np.testing.assert_array_equal(record["landmarks"][known], points_of(name).astype(np.float32)[known])


def test_no_place_means_missing_if_the_folder_says_so(root: pathlib.Path):
    write(root, "points.json", {PICTURES[0]: [[0, 0], *points_of(PICTURES[0]).tolist()[1:]]})
    choose(root, missing=[])
    (record,) = records_of(root).values()
    assert record["visibility"].tolist() == [1] * 5
    assert record["landmarks"][0].tolist() == [0, 0]


def test_points_that_are_unknown_anyway_are_no_reason_to_ask(root: pathlib.Path):
    face = {"landmarks": [[-1, -1], *points_of(PICTURES[0]).tolist()[1:]], "visibility": [0, 1, 1, 2, 1]}
    write(root, "points.json", {PICTURES[0]: face})
    (record,) = records_of(root).values()
    assert record["visibility"].tolist() == [UNKNOWN, 1, 1, OCCLUDED, 1]


def turned_folder(root: pathlib.Path) -> np.ndarray:
    """Stores the first image as a phone does that was held upright; returns it as it is shown."""
    shown = cv2.imread(str(root / PICTURES[0]))[:, 20:236, ::-1]  # 256 rows, 216 columns
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a right angle
    Image.fromarray(np.rot90(shown)).save(root / PICTURES[0], exif=exif, quality=100)
    write(root, "points.json", {PICTURES[0]: points_of(PICTURES[0]).tolist()})
    return shown


def test_a_turned_image_is_refused_until_its_orientation_is_explained(root: pathlib.Path):
    turned_folder(root)
    message = (
        r"mine: 1 image is turned by EXIF, anna/0\.jpg for example; add "
        r'"orientation": "shown" to landmarks\.json if .*, or "orientation": "stored" if'
    )
    with pytest.raises(BuildError, match=message):
        records_of(root)


@pytest.mark.parametrize("config", ["original", "faces"])
def test_points_of_a_shown_image_get_that_image(root: pathlib.Path, config: str):
    shown = turned_folder(root)
    choose(root, orientation="shown")
    (record,) = records_of(root, config).values()
    matrix = record["to_original"]  # [2, 3]
    np.testing.assert_allclose(
        record["landmarks"] @ matrix[:, :2].T + matrix[:, 2], points_of(PICTURES[0]), atol=1e-3
    )
    x, y = record["landmarks"][2].astype(int)
    original = np.array([x, y, 1.0]) @ matrix.T
    column, row = np.rint(original).astype(int)
    np.testing.assert_allclose(
        record["image"][y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)),
        shown[row - 3 : row + 4, column - 3 : column + 4].mean((0, 1)),
        atol=6,
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_turned_image_is_noticed_in_large_files(root: pathlib.Path, form: str):
    noise = np.random.default_rng(0).integers(0, 255, (500, 600, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(noise).save(root / PICTURES[0], form, exif=exif, quality=100)
    assert (root / PICTURES[0]).stat().st_size > conventions._HEADER_BYTES
    write(root, "points.json", {PICTURES[0]: points_of(PICTURES[0]).tolist()})
    with pytest.raises(BuildError, match="1 image is turned by EXIF"):
        records_of(root)


def test_points_of_a_stored_image_leave_the_file_untouched(root: pathlib.Path):
    shown = turned_folder(root)
    choose(root, orientation="stored")
    (record,) = records_of(root).values()
    assert record["image"].shape[:2] == shown.shape[1::-1]
    np.testing.assert_array_equal(record["landmarks"], points_of(PICTURES[0]).astype(np.float32))


def test_the_report_says_what_was_converted(root: pathlib.Path):
    turned_folder(root)
    places = (points_of(PICTURES[0]) / SIZE).tolist()
    write(root, "points.json", {PICTURES[0]: [*places[:4], [-1, -1]]})
    choose(root, orientation="shown", points_unit="share", missing=[[-1, -1], [0, 0]])
    builder = build.build("landmark_folder", root, root.parent / "built")[0]
    assert "Points from points.json, in shares of the images' sides, scheme five." in builder.log.notes
    assert "1 point is at a place in `missing`, without a position." in builder.log.notes
    assert "1 image is turned upright as EXIF says." in builder.log.notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points_unit": "inch"}, "points_unit is 'inch', expected pixel or share or percent"),
        (
            {"points_unit": "share", "first_pixel": 1},
            "first_pixel is for points in pixels, found points_unit share",
        ),
        ({"orientation": True}, "orientation is True, expected stored or shown"),
        ({"missing": -1}, r"missing is -1, expected a position \[x, y\], or a list of them"),
        ({"missing": [[-1]]}, r"missing is \[\[-1\]\], expected a position"),
    ],
)
def test_wrong_statements_are_refused(tmp_path: pathlib.Path, options: dict, message: str):
    (tmp_path / "landmarks.json").write_text(json.dumps(options))
    with pytest.raises(BuildError, match=message):
        read_options(tmp_path)


coordinates = st.floats(2, 500, allow_nan=False)
faces = st.lists(
    st.lists(st.tuples(coordinates, coordinates), min_size=5, max_size=5),
    min_size=3,
    max_size=6,
    unique_by=repr,
)


def annotations_of(values: list) -> list[Annotation]:
    def face(points: list) -> Face:
        return Face(np.array(points, np.float64), np.full(len(points), VISIBLE, np.uint8))

    return [
        Annotation("", f"face {i}", lambda points=points: face(points)) for i, points in enumerate(values)
    ]


def have_no_place_in_common(values: list) -> bool:
    return all(len({face[i] for face in values}) == len(values) for i in range(5))


@hypothesis.given(values=faces.filter(have_no_place_in_common))
def test_plausible_pixels_are_read_as_they_are(values: list):
    found, notes = conventions.decide(pathlib.Path("mine"), ["*.pts"], Options(), annotations_of(values), [])
    assert (found, notes) == (Conventions(1, "pixel", (), "stored"), [])
    for annotation, points in zip(annotations_of(values), values, strict=True):
        np.testing.assert_array_equal(
            found.in_pixels(annotation.read(), (640, 480)).landmarks, np.array(points) - 1
        )


@hypothesis.given(values=faces.filter(have_no_place_in_common), data=st.data())
def test_implausible_numbers_are_refused_by_name(values: list, data: st.DataObject):
    if data.draw(st.booleans()):
        values = (np.array(values) / 500).tolist()
        named = '"points_unit": "share"'
    else:
        place = data.draw(st.integers(-9999, 0)), data.draw(st.integers(-9999, 0))
        values[data.draw(st.integers(0, len(values) - 1))][data.draw(st.integers(0, 4))] = place
        named = f'"missing": [{place[0]}, {place[1]}]'
    with pytest.raises(BuildError) as refused:
        conventions.decide(pathlib.Path("mine"), ["points.csv"], Options(), annotations_of(values), [])
    assert named in str(refused.value)
