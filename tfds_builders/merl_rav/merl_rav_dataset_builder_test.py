"""Building MERL-RAV from drawn images in the original layout, reading it back, and damaging it in every known way."""

import functools
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from dsat_jax import geometry
from dsat_jax.records import UNKNOWN
from tfds_builders import BuildError, build, face_builder
from tfds_builders.merl_rav import merl_rav_dataset_builder
from tfds_builders.synthetic_faces import drawing

# Split, group and stem of each file of landmarks -> path of its image below aflw/flickr.
LABELS = {
    ("train", "frontal", "image00002"): "0/image00002.jpg",
    ("train", "frontal", "image00070_1"): "0/image00070.jpg",
    ("train", "left", "image00070_3"): "0/image00070.jpg",
    ("train", "righthalf", "image41000"): "2/image41000.jpg",
    ("test", "lefthalf", "image00070_2"): "0/image00070.jpg",
    ("test", "right", "image60001_2"): "3/image60001.png",
}
GROUPS = ("frontal", "left", "lefthalf", "right", "righthalf")


def folder_of(split: str, group: str) -> str:
    return f"merl_rav_labels/{group}/{split}set/labels"


@functools.cache
def image_of(picture: str) -> np.ndarray:
    return drawing.draw_face(seed=5, split=0, index=sorted(LABELS.values()).index(picture)).image


def numbers_of(stem: str) -> np.ndarray:
    """Numbers of a file, float64 [68, 2], with many digits, and with signs that encode the visibility."""
    rng = np.random.default_rng(int(stem[5:10]))
    numbers = rng.uniform(60, 200, (68, 2))
    numbers[3:20] *= -1
    numbers[20:31] = -1
    numbers[31] = [1, 1.5]
    numbers[32] = [-1, -57.25]  # only (-1, -1) means that there is no position
    return numbers


def label_text(numbers: np.ndarray) -> str:
    lines = [f"{x!r} {y!r}" if (x, y) != (-1, -1) else "-1 -1" for x, y in numbers.tolist()]
    return "\n".join(["version: 1", "n_points:  68", "{", *lines, "}"])


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw")
    for (split, group, stem), picture in LABELS.items():
        label = root / folder_of(split, group) / f"{stem}.pts"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(label_text(numbers_of(stem)))
        path = root / "aflw/flickr" / picture
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image_of(picture)[..., ::-1])
    shutil.copy(root / "aflw/flickr/0/image00002.jpg", root / "aflw/flickr/3/image99999.jpg")  # not annotated
    return root


@pytest.fixture(scope="module")
def built(raw: pathlib.Path, tmp_path_factory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {config: build.build(f"merl_rav/{config}", raw, data_dir)[0] for config in ("faces", "original")}


def read(builder: face_builder.FaceBuilder, split: str) -> dict[tuple[str, int], dict]:
    """The records of a split by the name of their image and the index of the face."""
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {(record["name"].decode(), int(record["face"])): record for record in source}


def key_of(stem: str, picture: str) -> tuple[str, int]:
    return f"aflw/flickr/{picture}", int(stem[11:]) - 1 if "_" in stem else 0


@pytest.mark.parametrize("config", ["faces", "original"])
def test_splits_have_the_faces_of_their_folders(built, config: str):
    for split in ("train", "test"):
        keys = [key_of(stem, picture) for (of_split, _, stem), picture in LABELS.items() if of_split == split]
        assert sorted(read(built[config], split)) == sorted(keys)


def test_original_keeps_files_numbers_and_visibility_bit_by_bit(built, raw: pathlib.Path):
    for (split, group, stem), picture in LABELS.items():
        record = read(built["original"], split)[key_of(stem, picture)]
        assert record["image"] == (raw / "aflw/flickr" / picture).read_bytes()
        numbers = numbers_of(stem)
        expected = np.abs(numbers).astype(np.float32)
        expected[20:31] = 0
        np.testing.assert_array_equal(record["landmarks"], expected)
        visibility = np.array([1] * 3 + [2] * 17 + [0] * 11 + [1, 2] + [1] * 35)
        np.testing.assert_array_equal(record["visibility"], visibility)
        known = expected[visibility != UNKNOWN]
        np.testing.assert_array_equal(record["box"], [*known.min(axis=0), *known.max(axis=0)])
        np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)
        assert record["attributes"] == {name: name == group for name in GROUPS}


def test_faces_are_cut_out_and_map_back(built):
    for (split, _, stem), picture in LABELS.items():
        record = read(built["faces"], split)[key_of(stem, picture)]
        known = record["visibility"] != UNKNOWN
        back = geometry.transform_points(record["to_original"], record["landmarks"])
        np.testing.assert_allclose(back[known], np.abs(numbers_of(stem))[known], atol=1e-3)
        np.testing.assert_array_equal(record["landmarks"][~known], 0)


def test_the_official_counts_are_those_of_the_paper():
    assert [sum(counts) for counts in zip(*merl_rav_dataset_builder.OFFICIAL.values(), strict=True)] == [
        15_449,
        3_865,
    ]
    assert sum(map(sum, merl_rav_dataset_builder.OFFICIAL.values())) == 19_314


def test_notes_where_a_copy_differs_from_the_official_set(built):
    log = built["faces"].log
    assert "merl_rav_labels/frontal/trainset/labels: found 2 faces, the official set has 8778." in log.notes
    assert "merl_rav_labels/left/testset/labels: found 0 faces, the official set has 521." in log.notes
    assert len(log.notes) == 10
    assert log.summary() == "Skipped nothing."


@pytest.mark.parametrize("place", ["aflw/data/flickr", "flickr", "aflw"])
def test_finds_the_images_in_each_place(copy: pathlib.Path, tmp_path: pathlib.Path, place: str):
    moved = (copy / "aflw" / "flickr").rename(copy / "moved")
    (copy / place).mkdir(parents=True, exist_ok=True)
    for file in moved.glob("*/*"):
        folder = copy / place if place == "aflw" else copy / place / file.parent.name
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    builder, _ = build.build("merl_rav", copy, tmp_path / "built")
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": 4,
        "test": 2,
    }
    assert all(name.startswith(place) for name, _ in read(builder, "train"))


def test_labels_without_an_image_are_skipped_and_listed(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / "aflw/flickr/0/image00070.jpg").unlink()
    builder, _ = build.build("merl_rav", copy, tmp_path / "built")
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": 2,
        "test": 1,
    }
    assert dict(builder.log.incomplete) == {
        f"{folder_of(split, group)}/{stem}.pts: no image image00070.jpg among AFLW's": [split]
        for split, group, stem in LABELS
        if stem.startswith("image00070")
    }


def test_a_split_without_faces_is_left_out(copy: pathlib.Path, tmp_path: pathlib.Path):
    for group in GROUPS:
        shutil.rmtree(copy / folder_of("test", group), ignore_errors=True)
    builder, _ = build.build("merl_rav", copy, tmp_path / "built")
    assert list(builder.info.splits) == ["train"]
    assert "test: left out, no faces in merl_rav_labels/*/testset/labels." in builder.log.notes


@pytest.mark.parametrize(
    ("missing", "message"),
    [("merl_rav_labels", "no landmarks of MERL-RAV here"), ("aflw", "no images of AFLW here")],
)
def test_half_a_dataset_is_an_error_with_the_expected_tree(
    copy: pathlib.Path, tmp_path: pathlib.Path, missing: str, message: str
):
    shutil.rmtree(copy / missing)
    with pytest.raises(BuildError, match=message) as error:
        build.build("merl_rav", copy, tmp_path / "built")
    assert "merl_rav_labels/{frontal,left,lefthalf,right,righthalf}/{trainset,testset}/labels/" in str(
        error.value
    )


def test_a_face_annotated_twice_is_stored_once(copy: pathlib.Path, tmp_path: pathlib.Path):
    first, again = (copy / folder_of("test", group) / "image60001_2.pts" for group in ("right", "righthalf"))
    again.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(first, again)
    builder, _ = build.build("merl_rav", copy, tmp_path / "built", max_skipped=0.5)
    reason = (
        f"{folder_of('test', 'righthalf')}/image60001_2.pts: the same face of aflw/flickr/3/image60001.png as "
        f"{folder_of('test', 'right')}/image60001_2.pts"
    )
    assert builder.log.incomplete[reason] == ["test"]
    assert builder.info.splits["test"].num_examples == 2


def test_signs_that_differ_leave_the_landmark_unknown(copy: pathlib.Path, tmp_path: pathlib.Path):
    file = f"{folder_of('test', 'right')}/image60001_2.pts"
    numbers = numbers_of("image60001_2")
    numbers[40] = [-3.5, 100]
    (copy / file).write_text(label_text(numbers))
    builder, _ = build.build("merl_rav", copy, tmp_path / "built")
    record = read(builder, "test")["aflw/flickr/3/image60001.png", 1]
    assert record["visibility"][40] == UNKNOWN
    assert f"{file}: landmark 40 is -3.5 100, its signs differ: stored as unknown." in builder.log.notes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2\n" * 67, "67 landmarks, expected 68"),
        ("version: 1\nn_points: 68\n{\n" + "1 2\n" * 67 + "}", "n_points is 68, but 67 landmarks follow"),
    ],
)
def test_wrong_counts_are_named(copy: pathlib.Path, tmp_path: pathlib.Path, text: str, reason: str):
    file = f"{folder_of('test', 'right')}/image60001_2.pts"
    (copy / file).write_text(text)
    with pytest.raises(BuildError) as error:
        build.build("merl_rav", copy, tmp_path / "built")
    assert str(error.value) == f"test: 1 of 2 records are damaged, at most 1.00% may be:\n  {file}: {reason}"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("-1 -1\n" * 68, "aflw/flickr/3/image60001.png, face 1: no landmark has a known position"),
        (
            "5 5\n" * 3 + "x y\n" + "6 6\n" * 64,
            f"{folder_of('test', 'right')}/image60001_2.pts, line 4: found 'x y', expected 2 finite numbers",
        ),
    ],
)
def test_damage_is_skipped_up_to_the_limit(copy, tmp_path: pathlib.Path, damage: str, reason: str):
    (copy / folder_of("test", "right") / "image60001_2.pts").write_text(damage)
    builder, _ = build.build("merl_rav", copy, tmp_path / "built", max_skipped=0.5)
    (logged,) = builder.log.damaged
    assert logged.startswith(reason)
    assert builder.info.splits["test"].num_examples == 1
