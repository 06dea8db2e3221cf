"""Building a folder of drawn images from points in every form, and reading it back."""

import json
import pathlib
import shutil
from collections.abc import Callable

import numpy as np
import PIL.Image
import pillow_heif
import pytest
import tensorflow_datasets as tfds

import tfds_builders
from dsat_jax import schemes
from dsat_jax.files import image_files
from dsat_jax.inference import result_files
from dsat_jax.inference.landmarks import Face
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE
from tfds_builders import BuildError, build, face_builder
from tfds_builders.landmark_folder import division, example_points
from tfds_builders.landmark_folder.example_points import (
    BOX,
    FIVE,
    PICTURES,
    coco_of,
    csv_of,
    points_of,
    write,
)
from tfds_builders.synthetic_faces import drawing

pillow_heif.register_heif_opener()


def built(root: pathlib.Path, config: str = "original", **kwargs) -> face_builder.FaceBuilder:
    data_dir = root.parent / f"built{len(list(root.parent.iterdir()))}"
    return build.build(f"landmark_folder/{config}", root, data_dir, **kwargs)[0]


def read(builder: face_builder.FaceBuilder) -> dict[tuple[str, int], dict]:
    """All records by the name of their image and the index of the face, each with its split."""
    records = {}
    for split in builder.info.splits:
        for record in builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()}):
            key = record["name"].decode(), int(record["face"])
            assert key not in records
            records[key] = record | {"split": split}
    return records


FORMS = {
    example_points.write_pts: ("*.pts", False),
    example_points.write_json_beside: ("*.json", False),
    example_points.write_predictions: ("*.json", True),
    example_points.write_one_json: ("points.json", False),
    example_points.write_csv: ("points.csv", False),
    example_points.write_csv_with_boxes: ("points.csv", True),
    example_points.write_coco: ("annotations.json", True),
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_records(root: pathlib.Path, form: Callable[[pathlib.Path], None]):
    form(root)
    points, has_box = FORMS[form]
    builder = built(root)
    records = read(builder)
    assert sorted(records) == [(picture, 0) for picture in PICTURES]
    for (picture, _), record in records.items():
        expected = points_of(picture).astype(np.float32)
        np.testing.assert_array_equal(record["landmarks"], expected)
        np.testing.assert_array_equal(record["visibility"], np.full(5, VISIBLE))
        of_points = [*expected.min(axis=0), *expected.max(axis=0)]
        np.testing.assert_array_equal(record["box"], BOX if has_box else of_points)
        assert record["image"] == (root / picture).read_bytes()
        assert record["split"] == ("test" if division.share_of(picture) < 0.3 else "train")
    assert {record["split"] for record in records.values()} == {"train", "test"}
    assert builder.log.summary() == "Skipped nothing."
    first = 1 if points == "*.pts" else 0
    assert f"Points from {points}, pixels count from {first}, scheme five." in builder.log.notes


def test_a_built_folder_stores_its_scheme(root: pathlib.Path):
    example_points.write_csv(root)
    data_dir = root.parent / "data"
    build.build("landmark_folder", root, data_dir)
    loaded = tfds_builders.load_builder("landmark_folder", data_dir)
    assert loaded.info.features["landmarks"].shape == (5, 2)
    assert loaded.info.features["visibility"].shape == (5,)
    assert loaded.scheme == schemes.find(loaded.info.metadata["scheme"]) == schemes.read_scheme(FIVE, "here")
    image = loaded.as_data_source(split="train")[0]["image"]
    assert image.shape[2] == 3


def test_the_default_scheme_is_the_built_in_one_with_as_many_points(root: pathlib.Path):
    (root / "landmarks.json").unlink()
    drawn = drawing.draw_face(7, 0, 0).points.astype(np.float64)
    write(root, "points.json", {PICTURES[0]: drawn.tolist(), PICTURES[1]: drawn.tolist()[:97]})
    builder = built(root, max_skipped=0.5)
    assert builder.info.metadata["scheme"] == "wflw_98"
    assert builder.scheme is schemes.WFLW_98
    assert list(builder.log.damaged) == [f"points.json, {PICTURES[1]}: 97 points, wflw_98 has 98"]
    assert builder.info.splits["train"].num_examples == 1
    assert len([reason for reason in builder.log.incomplete if reason.endswith(": no points")]) == 6


def test_hidden_points_and_several_faces(root: pathlib.Path):
    first, second = points_of(PICTURES[0]).tolist(), points_of(PICTURES[1]).tolist()
    faces_of = {
        PICTURES[0]: [
            {"landmarks": [None, *first[1:]], "visibility": [1, 1, 2, 1, 1]},
            {"landmarks": second},
        ]
    }
    write(root, "points.json", faces_of)
    records = read(built(root))
    assert sorted(records) == [(PICTURES[0], 0), (PICTURES[0], 1)]
    one, other = (records[PICTURES[0], i] for i in (0, 1))
    assert one["split"] == other["split"]
    np.testing.assert_array_equal(one["visibility"], [0, 1, 2, 1, 1])
    np.testing.assert_array_equal(one["landmarks"], np.float32([[0, 0], *first[1:]]))
    np.testing.assert_array_equal(other["landmarks"], np.float32(second))


def test_visibility_of_coco(root: pathlib.Path):
    values = points_of(PICTURES[0]).tolist()
    keypoints = [*values[0], 1, 0, 0, 0, *values[2], 2, *values[3], 2, *values[4], 2]
    content = coco_of({PICTURES[0]: keypoints})
    content["annotations"].append({"id": 9, "image_id": 11, "bbox": [1, 2, 3, 4]})  # an object without points
    write(root, "coco.json", content)
    ((_, record),) = read(built(root)).items()
    np.testing.assert_array_equal(record["visibility"], [OCCLUDED, UNKNOWN, 1, 1, 1])
    np.testing.assert_array_equal(record["landmarks"][1], [0, 0])


def test_empty_cells_of_csv_are_unknown(root: pathlib.Path):
    text = csv_of({PICTURES[0]: points_of(PICTURES[0])}).replace("90.0,52.0", " ,")
    write(root, "points.csv", text)
    ((_, record),) = read(built(root)).items()
    np.testing.assert_array_equal(record["visibility"], [1, 0, 1, 1, 1])


def test_first_pixel_moves_points_and_boxes(root: pathlib.Path):
    example_points.write_csv_with_boxes(root)
    write(root, "landmarks.json", {"scheme": FIVE, "first_pixel": 1})
    record = read(built(root))[PICTURES[0], 0]
    np.testing.assert_array_equal(record["landmarks"], np.float32(points_of(PICTURES[0]) - 1))
    np.testing.assert_array_equal(record["box"], BOX - 1)


def test_box_points_give_the_face_box_of_faces_without_one(root: pathlib.Path):
    write(root, "points.csv", csv_of({PICTURES[0]: points_of(PICTURES[0])}))
    write(root, "landmarks.json", {"scheme": FIVE, "box_points": [0, 1, 2], "test": 0})
    (record,) = read(built(root)).values()
    np.testing.assert_allclose(record["box"], [40.5, 50.25, 90.0, 80.125])
    write(root, "points.csv", csv_of({PICTURES[0]: points_of(PICTURES[0])}, boxes=True))
    (record,) = read(built(root)).values()
    np.testing.assert_allclose(record["box"], BOX)
    for wrong, message in (
        ([0, 5], "box_points has 5, expected points from 0 to 4"),
        ([0], "a list of at least two"),
    ):
        write(root, "landmarks.json", {"scheme": FIVE, "box_points": wrong})
        with pytest.raises(BuildError, match=message):
            built(root)


def test_the_end_of_a_path_names_an_image_if_only_one_has_it(root: pathlib.Path):
    (root / "bert/0.jpg").rename(root / "bert/only.jpg")
    rows = {name: points_of(PICTURES[0]) for name in ("only.jpg", "1.jpg", "9.jpg")}
    write(root, "points.csv", csv_of(rows))
    builder = built(root)
    assert list(read(builder)) == [("bert/only.jpg", 0)]
    assert "points.csv, line 3: more than one image fits '1.jpg'" in builder.log.incomplete
    assert "points.csv, line 4: no image '9.jpg'" in builder.log.incomplete


def test_points_without_an_image_and_images_without_points_are_listed(root: pathlib.Path):
    example_points.write_pts(root)
    (root / PICTURES[0]).unlink()
    (root / PICTURES[5]).with_suffix(".pts").unlink()
    builder = built(root)
    assert sorted(builder.log.incomplete) == [
        "anna/0.pts: no image of the same name",
        "bert/1.jpg: no points",
    ]
    assert len(read(builder)) == 6


def test_a_pts_file_without_image_does_not_belong_to_an_image_of_another_folder(root: pathlib.Path):
    example_points.write_pts(root)
    for suffix in (".jpg", ".pts"):
        (root / f"bert/0{suffix}").rename(root / f"bert/only{suffix}")
    shutil.copy(root / "bert/only.pts", root / "only.pts")
    builder = built(root)
    assert dict(builder.log.incomplete) == {"only.pts: no image of the same name": ["no split"]}
    assert not builder.log.damaged
    assert len(read(builder)) == 8


def write_real_predictions(root: pathlib.Path) -> None:
    """Writes the results of a prediction into the images' folder, two faces for the first; corrects the .json."""
    scheme = schemes.read_scheme(FIVE, "here")
    for picture in PICTURES:
        predicted = [
            Face(BOX, points_of(picture) - moved, confidence=None, open_channels=None, scheme=scheme)
            for moved in ((7, 0) if picture == PICTURES[0] else (7,))
        ]
        image = drawing.draw_face(7, 0, PICTURES.index(picture)).image
        file = (root / picture).with_suffix(".json")
        result_files.write_results(root / picture, file.with_suffix(""), image, predicted, scheme)
        content = json.loads(file.read_text())
        content["faces"][0]["landmarks"] = points_of(picture).tolist()
        file.write_text(json.dumps(content))


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".tif", ".gif", ".avif", ".heic"])
def test_images_that_tfds_cannot_read_are_stored_as_png(root: pathlib.Path, suffix: str):
    picture, pixels = PICTURES[0], PIL.Image.open(root / PICTURES[0])
    (root / picture).unlink()
    (root / picture).with_suffix(suffix).parent.mkdir(exist_ok=True)
    pixels.save((root / picture).with_suffix(suffix))
    write(root, "anna/0.json", points_of(picture).tolist())
    ((_, record),) = read(built(root)).items()
    assert record["image"].startswith(b"\x89PNG")
    shown = image_files.decode((root / picture).with_suffix(suffix).read_bytes(), upright=False)
    np.testing.assert_array_equal(image_files.decode(record["image"], upright=False), shown)
    np.testing.assert_array_equal(record["landmarks"], points_of(picture).astype(np.float32))


def test_the_table_of_a_prediction_is_read(root: pathlib.Path):
    scheme = schemes.read_scheme(FIVE, "here")
    with result_files.LandmarkTable(root.parent / "out", 5) as table:
        for picture in PICTURES:
            predicted = [Face(BOX, points_of(picture), confidence=None, open_channels=None, scheme=scheme)]
            table.add(root / picture, (root.parent / "out" / picture).with_suffix(""), predicted)
    shutil.copy(root.parent / "out/landmarks.csv", root)
    records = read(built(root))
    assert sorted(records) == [(picture, 0) for picture in PICTURES]
    for (picture, _), record in records.items():
        np.testing.assert_allclose(record["landmarks"], points_of(picture), atol=1e-3)
        np.testing.assert_array_equal(record["box"], BOX)


def test_corrected_predictions_are_read_in_the_chosen_form(root: pathlib.Path):
    write_real_predictions(root)
    with pytest.raises(
        BuildError,
        match=r"8 images have a \.pts file and 8 images have a \.json file, expected one form; choose it as "
        r'`points` in landmarks\.json: "\*\.pts" or "\*\.json"',
    ):
        built(root)
    overlays = {f"{picture[:-4]}_landmarks.jpg: no points" for picture in PICTURES}

    write(root, "landmarks.json", {"scheme": FIVE, "points": "*.json"})
    builder = built(root)
    records = read(builder)
    assert sorted(records) == [
        (PICTURES[0], 0),
        (PICTURES[0], 1),
        *((picture, 0) for picture in PICTURES[1:]),
    ]
    for (picture, _), record in records.items():
        np.testing.assert_array_equal(record["landmarks"], points_of(picture).astype(np.float32))
        np.testing.assert_array_equal(record["box"], BOX)
    assert set(builder.log.incomplete) == overlays

    write(root, "landmarks.json", {"scheme": FIVE, "points": "*.pts"})
    builder = built(root)
    records = read(builder)
    assert sorted(records) == [(picture, 0) for picture in PICTURES]
    for (picture, _), record in records.items():
        np.testing.assert_array_equal(record["landmarks"], np.float32(points_of(picture) - 7))
    assert set(builder.log.incomplete) == overlays | {"anna/0.face1.pts: no image of the same name"}
