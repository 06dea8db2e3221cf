"""Building 300W from drawn images in the original layout, reading it back, and damaging it in every known way."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from dsat_jax import geometry
from dsat_jax.records import VISIBLE, decode_picture
from tfds_builders import BuildError, build, face_builder

RAW = pathlib.Path(__file__).parent / "dummy_data"
UNDECODABLE = "that do not decode as an image, expected JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF or HEIF"
COUNTS = {
    "train": 3,
    "test_common": 3,
    "test_challenging": 1,
    "test_full": 4,
    "helen_test": 2,
    "lfpw_test": 1,
}
NAMES = {
    "train": ["afw/1_1.jpg", "helen/trainset/2_1.jpg", "lfpw/trainset/image_0001.png"],
    "test_full": [
        "helen/testset/3_1.jpg",
        "helen/testset/4_1.jpg",
        "ibug/image_092 _01.jpg",
        "lfpw/testset/image_0001.png",
    ],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {config: build.build(f"w300/{config}", RAW, data_dir)[0] for config in ("faces", "original")}


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the raw data that a test may damage."""
    return pathlib.Path(shutil.copytree(RAW, tmp_path / "raw"))


def read(builder: face_builder.FaceBuilder, split: str) -> dict[str, dict]:
    """The records of a split by the name of their image."""
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {record["name"].decode(): record for record in source}


def raw_landmarks(name: str) -> np.ndarray:
    """Landmarks of an image, float64 [68, 2], 0-based, read without the code under test."""
    lines = (RAW / name).with_suffix(".pts").read_text().splitlines()
    numbers = [line.split() for line in lines if line[0] in "-0123456789"]
    return np.array(numbers, np.float64) - 1


@pytest.mark.parametrize("config", ["faces", "original"])
def test_splits_have_the_faces_of_their_folders(built, config: str):
    assert {split: info.num_examples for split, info in built[config].info.splits.items()} == COUNTS
    for split, names in NAMES.items():
        assert sorted(read(built[config], split)) == names


def test_original_keeps_files_and_landmarks_bit_by_bit(built):
    for split in NAMES:
        for name, record in read(built["original"], split).items():
            assert record["image"] == (RAW / name).read_bytes()
            expected = raw_landmarks(name).astype(np.float32)
            np.testing.assert_array_equal(record["landmarks"], expected)
            np.testing.assert_array_equal(record["box"], [*expected.min(axis=0), *expected.max(axis=0)])
            np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)


def test_faces_are_cut_out_and_map_back(built):
    for split in NAMES:
        for name, record in read(built["faces"], split).items():
            height, width = decode_picture(record["image"], name).shape[:2]
            assert max(height, width) <= 384
            back = geometry.transform_points(record["to_original"], record["landmarks"])
            np.testing.assert_allclose(back, raw_landmarks(name), atol=1e-3)
            np.testing.assert_array_equal(record["visibility"], np.full(68, VISIBLE))
            assert record["face"] == 0
    large = read(built["faces"], "train")["afw/1_1.jpg"]
    assert large["to_original"][0, 0] > 1.5  # 800 x 1000 px, most of it within reach of the face
    assert large["image"][:2] == b"\xff\xd8"


def test_slices_and_decodes_without_tensorflow(built):
    builder = built["faces"]
    assert len(builder.as_data_source(split="test_full[:50%]")) == 2
    image = builder.as_data_source(split="lfpw_test")[0]["image"]
    assert image.shape == (64, 64, 3)


def test_describes_itself(built):
    info = built["faces"].info
    assert "68 landmarks" in info.description
    assert info.citation.count("author") == 3


def test_an_annotation_without_its_image_is_skipped_and_listed(built):
    log = built["faces"].log
    assert not log.damaged
    reason = "lfpw/testset/image_0002.pts: no image of the same name"
    assert dict(log.incomplete) == {reason: ["test_common", "test_full", "lfpw_test"]}
    assert "Skipped 1 incomplete and 0 damaged records:" in log.summary()
    written = (built["faces"].data_path / "skipped.txt").read_text()
    assert f"incomplete: {reason} (test_common, test_full, lfpw_test)\n" in written


def test_notes_where_a_copy_differs_from_the_official_set(built):
    assert "afw (train): found 1 face, the official set has 337." in built["faces"].log.notes


def test_missing_folders_make_splits_smaller(copy: pathlib.Path, tmp_path: pathlib.Path):
    shutil.rmtree(copy / "ibug")
    shutil.rmtree(copy / "lfpw" / "testset")
    builder, _ = build.build("w300", copy, tmp_path / "built")
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert counts == {"train": 3, "test_common": 2, "test_full": 2, "helen_test": 2}
    for line in (
        "ibug (test_challenging, test_full): the folder is missing, and with it 135 faces.",
        "test_challenging: left out, no faces in ibug.",
        "lfpw_test: left out, no faces in lfpw/testset.",
    ):
        assert line in builder.log.notes


def test_a_folder_of_something_else_is_an_error_with_the_expected_tree(tmp_path: pathlib.Path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(BuildError, match=r"no faces of 300W here") as error:
        build.build("w300", tmp_path, tmp_path / "built")
    assert "helen/trainset/" in str(error.value)


def truncate_jpeg(root: pathlib.Path) -> str:
    picture = root / "helen/testset/3_1.jpg"
    picture.write_bytes(picture.read_bytes()[:900])
    return f"helen/testset/3_1.jpg: 900 bytes {UNDECODABLE}"


def truncate_png(root: pathlib.Path) -> str:
    (root / "helen/testset/3_1.jpg").unlink()
    whole = (root / "lfpw/testset/image_0001.png").read_bytes()
    (root / "helen/testset/3_1.png").write_bytes(whole[:600])
    return f"helen/testset/3_1.png: 600 bytes {UNDECODABLE}"


def empty_picture(root: pathlib.Path) -> str:
    (root / "helen/testset/3_1.jpg").write_bytes(b"")
    return f"helen/testset/3_1.jpg: 0 bytes {UNDECODABLE}"


def lose_a_landmark(root: pathlib.Path) -> str:
    file = root / "helen/testset/4_1.pts"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["version: 1", "n_points: 67", *lines[2:-2], "}"]))
    return "helen/testset/4_1.pts: 67 landmarks, expected 68"


def collapse_the_face(root: pathlib.Path) -> str:
    (root / "helen/testset/4_1.pts").write_text("5 5\n" * 68)
    return "helen/testset/4_1.jpg: the face box is [4.0, 4.0, 4.0, 4.0], expected a finite box with an area"


@pytest.mark.parametrize(
    "damage", [truncate_jpeg, truncate_png, empty_picture, lose_a_landmark, collapse_the_face]
)
def test_damage_is_skipped_and_named_up_to_the_limit(copy: pathlib.Path, tmp_path: pathlib.Path, damage):
    reason = damage(copy)
    with pytest.raises(BuildError) as error:
        build.build("w300", copy, tmp_path / "built")
    assert str(error.value) == f"test_common: 1 of 3 records are damaged, at most 1.00% may be:\n  {reason}"
    assert not list((tmp_path / "built" / "w300" / "faces").iterdir())

    builder, _ = build.build("w300", copy, tmp_path / "built", max_skipped=0.5)
    assert builder.info.splits["test_common"].num_examples == 2
    assert builder.info.splits["test_full"].num_examples == 3
    assert reason in builder.log.damaged
    assert f"damaged: {reason} (test_common, test_full, " in (builder.data_path / "skipped.txt").read_text()


def test_records_do_not_depend_on_the_order_of_the_folder(copy: pathlib.Path, built, tmp_path: pathlib.Path):
    folder = copy / "helen" / "testset"
    for file in sorted(folder.iterdir(), reverse=True):  # written again, last name first
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
    again, _ = build.build("w300/original", copy, tmp_path / "built")
    order = [list(read(builder, "test_full")) for builder in (built["original"], again)]
    assert order[0] == order[1]


def test_images_show_their_landmarks(built):
    """Each landmark is a dot of (200, 0, 0) on skin of (220, 180, 150); the cut moves image and landmarks alike."""
    record = read(built["faces"], "train")["afw/1_1.jpg"]
    image = decode_picture(record["image"], "afw/1_1.jpg").astype(np.float32)
    redness = image[..., 0] - image[..., 1:].mean(axis=-1)
    x, y = np.round(record["landmarks"]).astype(int).T
    skin = 220 - (180 + 150) / 2
    assert np.median(redness[y - 6, x - 6]) == pytest.approx(skin, abs=8)
    assert redness[y, x].min() > skin + 30  # not all of the 145: JPEG stores colour at half the resolution
