"""Building JD-landmark from drawn images in its original layout, reading it back, and damaging it in known ways."""

import functools
import pathlib
import shutil

import cv2
import hypothesis
import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import strategies as st

from dsat_jax import geometry, schemes
from dsat_jax.records import CUT_SIDE, VISIBLE, DamagedRecord, decode_picture
from tfds_builders import BuildError, build, face_builder
from tfds_builders.jd_landmark import jd_landmark_dataset_builder
from tfds_builders.synthetic_faces import drawing
from tfds_builders.synthetic_faces.other_schemes import landmarks_in

# Folder and name of each image, in the order of the archives.
PICTURES = {
    "train": [
        ("Training_data/AFW", "AFW_134212_1_0.jpg"),
        ("Training_data/AFW", "AFW_134212_1_3.jpg"),
        ("Training_data/HELEN", "HELEN_100032540_1_0.jpg"),
        ("Training_data/IBUG", "IBUG_image_092 _01_0.jpg"),
        ("Training_data/LFPW", "LFPW_image_train_0001_0.png"),
    ],
    "valid": [("Test_data1", "1.jpg"), ("Test_data1", "2.jpg")],
    "test": [("Test_data2", "1.jpg")],
}
CORRECTED = "HELEN_100032540_1_0.jpg"
WITHOUT_BOX = "LFPW_image_train_0001_0.png"
BOXES = "training_dataset_face_detection_bounding_box"


@functools.cache
def draw(index: int) -> drawing.Drawing:
    return drawing.draw_face(seed=3, split=0, index=index)


def points_of(index: int) -> np.ndarray:
    """Landmarks of an image, float64 [106, 2], with the four decimals of the files."""
    return np.round(landmarks_in(draw(index).points.astype(np.float64), schemes.JD_106), 4)


def box_of(index: int) -> np.ndarray:
    return np.round(geometry.box_of_points(points_of(index)) + np.array([-9, -4, 7, 3]))


def landmark_text(points: np.ndarray) -> str:
    return "\n".join(["106", *(f"{x:.4f} {y:.4f}" for x, y in points)]) + "\n"


def write(path: pathlib.Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def everything() -> list[tuple[int, str, str, str]]:
    """Index, split, folder and name of every image."""
    rows = [(split, folder, name) for split, pictures in PICTURES.items() for folder, name in pictures]
    return [(index, *row) for index, row in enumerate(rows)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw")
    for index, split, folder, name in everything():
        encoded = cv2.imencode(name[-4:], draw(index).image[..., ::-1])[1].tobytes()
        write(root / folder / "picture" / name, encoded)
        points = points_of(index) + (50 if name == CORRECTED else 0)  # the wrong landmarks of the archive
        write(root / folder / "landmark" / f"{name}.txt", landmark_text(points))
        rects = root / BOXES if split == "train" else root / folder / "rect"
        if name != WITHOUT_BOX:
            write(rects / f"{name}.rect", " ".join(f"{side:.0f}" for side in box_of(index)))
        if name == CORRECTED:
            write(root / "Corrected_landmark" / f"{name}.txt", landmark_text(points_of(index)))
    return root


@pytest.fixture(scope="module")
def built(raw: pathlib.Path, tmp_path_factory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {
        config: build.build(f"jd_landmark/{config}", raw, data_dir)[0] for config in ("faces", "original")
    }


def read(builder: face_builder.FaceBuilder, split: str) -> dict[str, dict]:
    """The records of a split by the name of their image."""
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {record["name"].decode(): record for record in source}


@pytest.mark.parametrize("config", ["faces", "original"])
def test_splits_have_the_faces_of_their_folders(built, config: str):
    for split, pictures in PICTURES.items():
        assert sorted(read(built[config], split)) == [f"{folder}/picture/{name}" for folder, name in pictures]


def test_original_keeps_files_and_numbers_bit_by_bit(built, raw: pathlib.Path):
    for index, split, folder, name in everything():
        path = f"{folder}/picture/{name}"
        record = read(built["original"], split)[path]
        assert record["image"] == (raw / path).read_bytes()
        expected = points_of(index).astype(np.float32)
        np.testing.assert_array_equal(record["landmarks"], expected)
        np.testing.assert_array_equal(record["visibility"], np.full(106, VISIBLE))
        of_landmarks = [*expected.min(axis=0), *expected.max(axis=0)]
        np.testing.assert_array_equal(record["box"], of_landmarks if name == WITHOUT_BOX else box_of(index))
        np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)
        assert record["face"] == 0
        assert "attributes" not in record


def test_faces_are_cut_out_and_map_back(built):
    for index, split, folder, name in everything():
        record = read(built["faces"], split)[f"{folder}/picture/{name}"]
        assert max(decode_picture(record["image"], name).shape) <= CUT_SIDE
        back = geometry.transform_points(record["to_original"], record["landmarks"])
        np.testing.assert_allclose(back, points_of(index), atol=1e-3)


def test_notes_where_a_copy_differs_from_the_official_set(built):
    log = built["faces"].log
    assert log.notes == [
        "train: found 5 faces, the official set has 11393.",
        "train: 1 face without .rect: the box of the landmarks is used.",
        "valid: found 2 faces, the official set has 2000.",
        "test: found 1 face, the official set has 2000.",
    ]
    assert log.summary() == "Skipped nothing."


def test_incomplete_faces_are_skipped_and_listed(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / "Test_data1/landmark/1.jpg.txt").unlink()
    (copy / "Training_data/AFW/picture/AFW_134212_1_3.jpg").unlink()
    write(copy / "Training_data/AFW/picture/._AFW_134212_1_3.jpg", b"what macOS leaves")
    shutil.rmtree(copy / "Test_data2")
    write(copy / "Corrected_landmark/AFW_9_0.jpg.txt", landmark_text(points_of(0)))
    builder, _ = build.build("jd_landmark", copy, tmp_path / "built")
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert counts == {"train": 4, "valid": 1}
    assert dict(builder.log.incomplete) == {
        "Training_data/AFW/landmark/AFW_134212_1_3.jpg.txt: no image of that name": ["train"],
        "Test_data1/picture/1.jpg: no Test_data1/landmark/1.jpg.txt": ["valid"],
    }
    for note in (
        "Test_data2 (test): the folder is missing.",
        "test: left out, no faces in Test_data2.",
        "Corrected_landmark: 1 file without an image, the first is Corrected_landmark/AFW_9_0.jpg.txt.",
    ):
        assert note in builder.log.notes


def test_corrected_landmarks_are_used_if_the_archive_has_none(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / f"Training_data/HELEN/landmark/{CORRECTED}.txt").unlink()
    builder, _ = build.build("jd_landmark/original", copy, tmp_path / "built")
    assert not builder.log.incomplete
    assert builder.info.splits["train"].num_examples == 5


@pytest.mark.parametrize("folder", jd_landmark_dataset_builder.TRAINING_BOXES)
def test_finds_the_training_boxes_in_each_place(copy: pathlib.Path, tmp_path: pathlib.Path, folder: str):
    moved = (copy / BOXES).rename(copy / "moved")
    (copy / folder).parent.mkdir(exist_ok=True)
    moved.rename(copy / folder)
    builder, _ = build.build("jd_landmark/original", copy, tmp_path / "built")
    record = read(builder, "train")["Training_data/AFW/picture/AFW_134212_1_0.jpg"]
    np.testing.assert_array_equal(record["box"], box_of(0))


def test_a_folder_of_something_else_is_an_error_with_the_expected_tree(tmp_path: pathlib.Path):
    write(tmp_path / "raw" / "holiday.jpg", b"")
    with pytest.raises(BuildError, match=r"no faces of JD-landmark here") as error:
        build.build("jd_landmark", tmp_path / "raw", tmp_path / "built")
    assert "Training_data/{AFW,HELEN,IBUG,LFPW}/{picture,landmark}/" in str(error.value)


LANDMARKS, RECT = "Test_data1/landmark/2.jpg.txt", "Test_data1/rect/2.jpg.rect"


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (LANDMARKS, b"", f"{LANDMARKS}, line 1: the file is empty, expected the line `106`"),
        (LANDMARKS, b"68\n" + b"1 2\n" * 68, f"{LANDMARKS}, line 1: found '68', expected the line `106`"),
        (LANDMARKS, b"1 2\n" * 106, f"{LANDMARKS}, line 1: found '1 2', expected the line `106`"),
        (
            LANDMARKS,
            b"106\n" + b"1 2\n" * 105,
            f"{LANDMARKS}, line 106: the file ends after 105 landmarks, expected 106",
        ),
        (
            LANDMARKS,
            b"106\n" + b"1 2\n" * 107,
            f"{LANDMARKS}, line 108: the file ends after 107 landmarks, expected 106",
        ),
        (
            LANDMARKS,
            b"106\n1 2\n3\n" + b"1 2\n" * 104,
            f"{LANDMARKS}, line 3: found '3', expected 2 finite numbers `x y`",
        ),
        (
            LANDMARKS,
            b"106\n1 2\n3 nan\n" + b"1 2\n" * 104,
            f"{LANDMARKS}, line 3: found '3 nan', expected 2 finite numbers `x y`",
        ),
        (RECT, b"1 2 3", f"{RECT}, line 1: found '1 2 3', expected 4 finite numbers `x1 y1 x2 y2`"),
        (RECT, b"", f"{RECT}: found 0 lines, expected one, `x1 y1 x2 y2`"),
        (RECT, b"1 2 3 4\n1 2 3 4\n", f"{RECT}: found 2 lines, expected one, `x1 y1 x2 y2`"),
        (
            RECT,
            b"1 9 30 9\n",
            f"{RECT}, line 1: found the box [1.0, 9.0, 30.0, 9.0], expected one with an area",
        ),
        (
            "Test_data1/picture/2.jpg",
            b"hello",
            "Test_data1/picture/2.jpg: 5 bytes that do not decode as an image, expected JPEG, PNG, BMP, WebP, TIFF, "
            "GIF, AVIF or HEIF",
        ),
    ],
)
def test_damage_is_skipped_and_named_up_to_the_limit(
    copy: pathlib.Path, tmp_path: pathlib.Path, file: str, content: bytes, reason: str
):
    (copy / file).write_bytes(content)
    with pytest.raises(BuildError) as error:
        build.build("jd_landmark/original", copy, tmp_path / "built")
    assert str(error.value) == f"valid: 1 of 2 records are damaged, at most 1.00% may be:\n  {reason}"
    builder, _ = build.build("jd_landmark/original", copy, tmp_path / "built", max_skipped=0.5)
    assert builder.info.splits["valid"].num_examples == 1
    assert dict(builder.log.damaged) == {reason: ["valid"]}


def test_extra_spaces_and_blank_lines_are_allowed():
    points = points_of(0)
    text = "\ufeff 106 \r\n\r\n" + "".join(f"\t{x:.4f}   {y:.4f} \r\n" for x, y in points) + "\r\n\r\n"
    np.testing.assert_array_equal(jd_landmark_dataset_builder.parse_landmarks(text.encode(), "a.txt"), points)


field = st.one_of(st.floats(), st.integers(), st.text("0123456789.-e ", max_size=4))
line = st.lists(field, max_size=4).map(lambda fields: " ".join(map(str, fields)))


@hypothesis.settings(deadline=None)
@hypothesis.given(count=st.integers(100, 110), at=st.integers(0, 120), inserted=st.lists(line, max_size=3))
def test_any_file_is_either_read_completely_or_refused(count: int, at: int, inserted: list[str]):
    lines = ["106"] + ["1.5 2"] * count
    lines[at:at] = inserted
    try:
        points, reason = jd_landmark_dataset_builder.parse_landmarks("\n".join(lines).encode(), "a.txt"), None
    except DamagedRecord as damage:
        reason = str(damage)
    if reason is None:
        rows = [text.split() for text in lines if text.split()]
        assert rows[0] == ["106"]
        assert len(rows) == 107
        np.testing.assert_array_equal(points, np.array(rows[1:], np.float64))
    else:
        assert reason.startswith("a.txt, line ")


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(line, max_size=2))
def test_any_box_is_either_read_exactly_or_refused(lines: list[str]):
    text = "\n".join(lines)
    try:
        box, reason = jd_landmark_dataset_builder.parse_box(text.encode(), "a.rect"), None
    except DamagedRecord as damage:
        reason = str(damage)
    if reason is None:
        np.testing.assert_array_equal(box, np.array(text.split(), np.float64))
        assert np.isfinite(box).all()
        assert (box[2:] > box[:2]).all()
    else:
        assert reason.startswith("a.rect")
