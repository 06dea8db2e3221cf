"""Building WFLW from drawn images in the original layout, reading it back, and removing parts of it."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.records import VISIBLE, decode_picture
from tfds_builders import BuildError, build, face_builder
from tfds_builders.synthetic_faces.drawing import draw_face
from tfds_builders.wflw import face_lists
from tfds_builders.wflw.conftest import (
    ATTRIBUTES,
    LOST,
    PLAIN,
    RECT_ATTR,
    SUBSETS,
    keep_only_short_lists,
    read,
    sizes,
)
from tfds_builders.wflw.face_lists import FULL_LISTS


@pytest.fixture(scope="module")
def built(raw: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {config: build.build(f"wflw/{config}", raw, data_dir)[0] for config in ("faces", "original")}


def raw_lines(root: pathlib.Path, split: str) -> dict[tuple[str, int], list[str]]:
    """The fields of each line, read without the code under test."""
    fields_of = {}
    for line in (root / f"{RECT_ATTR}_{split}.txt").read_text().splitlines():
        fields = line.split(" ")
        name = f"WFLW_images/{fields[-1]}"
        fields_of[name, sum(key[0] == name for key in fields_of)] = fields
    return fields_of


@pytest.mark.parametrize("config", ["faces", "original"])
def test_the_splits_are_the_lists(built, raw: pathlib.Path, config: str):
    assert sizes(built[config]) == {"train": 4, "test": 4}
    for split in ("train", "test"):
        with_image = {key for key in raw_lines(raw, split) if "lost" not in key[0]}
        assert set(read(built[config], split)) == with_image
    assert ("WFLW_images/1--Handshaking/1_Handshaking_b_1_2.jpg", 1) in read(built[config], "train")


@pytest.mark.parametrize("split", ["train", "test"])
def test_original_keeps_files_landmarks_and_boxes_bit_by_bit(built, raw: pathlib.Path, split: str):
    for (name, face), record in read(built["original"], split).items():
        fields = raw_lines(raw, split)[name, face]
        assert record["image"] == (raw / name).read_bytes()
        np.testing.assert_array_equal(record["landmarks"].ravel(), np.array(fields[:196], np.float32))
        np.testing.assert_array_equal(record["box"], np.array(fields[196:200], np.float32))
        np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)
        np.testing.assert_array_equal(record["visibility"], np.full(98, VISIBLE))


@pytest.mark.parametrize("split", ["train", "test"])
def test_faces_lead_back_to_the_original(built, raw: pathlib.Path, split: str):
    for (name, face), record in read(built["faces"], split).items():
        fields = np.array(raw_lines(raw, split)[name, face][:200], np.float64).reshape(100, 2)
        stored = np.concatenate([record["landmarks"], record["box"].reshape(2, 2)])
        np.testing.assert_allclose(
            geometry.transform_points(record["to_original"], stored), fields, rtol=0, atol=1e-3
        )


def test_a_face_is_cut_from_its_own_half_of_the_image(built):
    name = "WFLW_images/2--Riot/2_Riot_d_1_4.jpg"
    for face in (0, 1):
        record = read(built["faces"], "test")[name, face]
        image = decode_picture(record["image"], name).astype(int)
        x, y = record["to_original"][:, 2].astype(int)
        drawn = np.concatenate([draw_face(5, 0, 4 + half).image for half in (0, 1)], axis=1)
        height, width = image.shape[:2]
        assert np.abs(image - drawn[y : y + height, x : x + width]).mean() < 4  # JPEG, twice


@pytest.mark.parametrize("split", ["train", "test"])
def test_attributes_are_the_flags(built, raw: pathlib.Path, split: str):
    for key, record in read(built["faces"], split).items():
        flags = raw_lines(raw, split)[key][200:206]
        assert record["attributes"] == {
            name: flag == "1" for name, flag in zip(ATTRIBUTES, flags, strict=True)
        }


def test_describes_itself(built):
    info = built["faces"].info
    assert "98 landmarks" in info.description
    assert info.citation.count("author") == 2
    assert tuple(info.features["attributes"]) == ATTRIBUTES


def test_missing_images_and_differences_from_the_official_set_are_listed(built):
    log = built["faces"].log
    assert not log.damaged
    assert dict(log.incomplete) == {f"{LOST}: the image is missing": ["test"]}
    assert log.notes == [
        "train: found 4 faces, the official set has 7500.",
        "test: found 5 faces, the official set has 2500.",
        "test, pose: found 2 faces, the official set has 326.",
        "test, expression: found 1 face, the official set has 314.",
        "test, illumination: found 1 face, the official set has 698.",
        "test, makeup: found 1 face, the official set has 206.",
        "test, occlusion: found 2 faces, the official set has 736.",
        "test, blur: found 1 face, the official set has 773.",
        "test: left out 1 of 5 faces, because of 1 missing image.",
    ]
    assert (
        f"incomplete: {LOST}: the image is missing (test)\n"
        in (built["faces"].data_path / "skipped.txt").read_text()
    )


def test_nothing_is_noted_on_a_complete_official_copy(copy, tmp_path, monkeypatch):
    shutil.copy(copy / "WFLW_images/2--Riot/2_Riot_d_1_4.jpg", copy / LOST)
    for split, count in (("train", 4), ("test", 5)):
        monkeypatch.setitem(FULL_LISTS, split, dataclasses.replace(FULL_LISTS[split], num_faces=count))
    for name, count in zip(ATTRIBUTES, (2, 1, 1, 1, 2, 1), strict=True):
        monkeypatch.setitem(face_lists.ATTRIBUTES, name, count)
    builder, _ = build.build("wflw", copy, tmp_path / "built")
    assert builder.log.text() == "Nothing was skipped.\n"


def test_subset_lists_alone_are_splits(built, copy: pathlib.Path, tmp_path: pathlib.Path):
    keep_only_short_lists(copy, whole=False)
    builder, _ = build.build("wflw/original", copy, tmp_path / "built")
    assert sizes(builder) == {
        "test_largepose": 2,
        "test_expression": 1,
        "test_illumination": 1,
        "test_makeup": 1,
        "test_occlusion": 1,  # and one whose image is missing
    }
    assert "test_blur: left out, the list has no face with an existing image." in builder.log.notes
    assert f"train: {RECT_ATTR}_train.txt is missing, and with it 7500 faces." in builder.log.notes
    assert dict(builder.log.incomplete) == {f"{LOST}: the image is missing": ["test_occlusion", "test_blur"]}
    whole = read(built["original"], "test")
    for attribute, subset in zip(ATTRIBUTES[:5], SUBSETS, strict=False):
        records = read(builder, f"test_{subset}")
        of_picture = {record["landmarks"].tobytes(): record for record in whole.values()}
        for record in records.values():
            same = of_picture[record["landmarks"].tobytes()]
            assert record["attributes"] == same["attributes"]
            assert record["attributes"][attribute]
            assert (record["name"], record["image"]) == (same["name"], same["image"])
            np.testing.assert_array_equal(record["box"], geometry.box_of_points(record["landmarks"]))
    # The second face of an image keeps its number even if the first one is not in this list.
    ((key, record),) = read(builder, "test_expression").items()
    assert key == ("WFLW_images/2--Riot/2_Riot_d_1_4.jpg", 1)
    np.testing.assert_array_equal(record["landmarks"], read(builder, "test_largepose")[key]["landmarks"])


def test_the_short_list_of_the_whole_test_set_takes_its_attributes_from_the_others(
    built, copy: pathlib.Path, tmp_path: pathlib.Path
):
    keep_only_short_lists(copy, whole=True)
    (copy / f"{PLAIN}_makeup.txt").unlink()
    builder, _ = build.build("wflw/original", copy, tmp_path / "built")
    assert sizes(builder) == {"test": 4}
    assert dict(builder.log.incomplete) == {f"{LOST}: the image is missing": ["test"]}
    records = read(builder, "test")
    for key, record in read(built["original"], "test").items():
        np.testing.assert_array_equal(records[key]["landmarks"], record["landmarks"])
        assert records[key]["attributes"] == record["attributes"] | {"makeup": False}
    assert any(note.endswith("contain it. No test face has makeup.") for note in builder.log.notes)


def test_training_alone_can_be_built(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / f"{RECT_ATTR}_test.txt").unlink()
    shutil.rmtree((copy / PLAIN).parent)
    builder, _ = build.build("wflw", copy, tmp_path / "built")
    assert sizes(builder) == {"train": 4}
    assert f"test: {RECT_ATTR}_test.txt is missing, and with it 2500 faces." in builder.log.notes


def test_an_empty_list_is_left_out(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / f"{RECT_ATTR}_test.txt").write_text("\ufeff\n")
    builder, _ = build.build("wflw", copy, tmp_path / "built")
    assert sizes(builder) == {"train": 4}
    assert "test: left out, the list has no face with an existing image." in builder.log.notes


def test_the_full_list_of_the_test_set_is_preferred(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / f"{RECT_ATTR}_train.txt").unlink()
    builder, _ = build.build("wflw", copy, tmp_path / "built")
    assert sizes(builder) == {"test": 4}


def test_a_line_that_occurs_twice_is_two_faces(copy: pathlib.Path, tmp_path: pathlib.Path):
    train = copy / f"{RECT_ATTR}_train.txt"
    train.write_text(train.read_text() + "\n" + train.read_text().splitlines()[0] + "\r\n")
    builder, _ = build.build("wflw", copy, tmp_path / "built")
    assert sizes(builder)["train"] == 5
    assert ("WFLW_images/0--Parade/0_Parade_a_1_1.jpg", 1) in read(builder, "train")


@pytest.mark.parametrize("lose", ["lists", "pictures"])
def test_a_folder_of_something_else_is_an_error_with_the_expected_tree(
    copy: pathlib.Path, tmp_path: pathlib.Path, lose: str
):
    shutil.rmtree(copy / ("WFLW_annotations" if lose == "lists" else "WFLW_images"))
    with pytest.raises(BuildError, match=r"no faces of WFLW here") as error:
        build.build("wflw", copy, tmp_path / "built")
    assert f"{RECT_ATTR}_train.txt" in str(error.value)
