"""Building AFLW-19 from drawn faces in its original format, reading it back, and damaging it in every known way."""

import pathlib
import shutil
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds

from dsat_jax import geometry
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, decode_picture
from tfds_builders import BuildError, build, face_builder
from tfds_builders.aflw19 import aflw19_dataset_builder
from tfds_builders.aflw19.conftest import TOTAL, write_info

INFO = "AFLWinfo_release.mat"


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory: pytest.TempPathFactory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {
        config: build.build(f"aflw19/{config}", raw.root, data_dir)[0] for config in ("faces", "original")
    }


@pytest.fixture
def small(raw, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with a short file that a test may damage: three faces, all for training."""
    root = tmp_path / "raw"
    shutil.copytree(raw.root / "flickr", root / "flickr")
    write_info(root / INFO, [raw.rows[label] for label in ("left", "png", "whole")], np.array([3, 1, 2]))
    return root


def read(builder: face_builder.FaceBuilder, split: str) -> dict[tuple[str, int], dict]:
    """The records of a split by name and index of the face."""
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {(record["name"].decode(), int(record["face"])): record for record in source}


def change(root: pathlib.Path, **variables: np.ndarray | None) -> None:
    """Replaces variables of the annotation, or removes them."""
    contents = scipy.io.loadmat(root / INFO) | variables
    scipy.io.savemat(root / INFO, {n: v for n, v in contents.items() if n[0] != "_" and v is not None})


@pytest.mark.parametrize("config", ["faces", "original"])
def test_splits_follow_the_permutation_and_the_mask(built, raw, config: str):
    assert list(built[config].info.splits) == ["train", "test_full", "test_frontal"]
    for split, expected in raw.splits.items():
        assert sorted(read(built[config], split)) == sorted((face.name, face.number) for face in expected)


@pytest.mark.parametrize("split", ["train", "test_full", "test_frontal"])
def test_original_keeps_files_landmarks_and_boxes_bit_by_bit(built, raw, split: str):
    records = read(built["original"], split)
    for face in raw.splits[split]:
        record = records[face.name, face.number]
        known = face.visibility != UNKNOWN
        expected = np.where(known[:, None], face.points, 0).astype(np.float32)
        np.testing.assert_array_equal(record["landmarks"], expected)
        np.testing.assert_array_equal(record["visibility"], face.visibility)
        np.testing.assert_array_equal(record["box"], face.box.astype(np.float32))
        np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)
        assert record["image"] == (raw.root / face.name).read_bytes()


@pytest.mark.parametrize("split", ["train", "test_full", "test_frontal"])
def test_faces_are_cut_out_and_map_back(built, raw, split: str):
    records = read(built["faces"], split)
    for face in raw.splits[split]:
        record = records[face.name, face.number]
        known = record["visibility"] != UNKNOWN
        np.testing.assert_array_equal(record["visibility"], face.visibility)
        back = geometry.transform_points(record["to_original"], record["landmarks"])
        np.testing.assert_allclose(back[known], face.points[known], atol=1e-3)
        np.testing.assert_array_equal(record["landmarks"][~known], 0)
        corners = geometry.transform_points(record["to_original"], record["box"].reshape(2, 2))
        np.testing.assert_allclose(corners.reshape(4), face.box, atol=1e-3)


def test_a_face_partly_outside_its_image_keeps_its_landmarks(built, raw):
    face = raw.splits["test_frontal"][0]
    assert face.points.min() < 0  # some landmarks lie left of the image or above it
    record = read(built["faces"], "test_frontal")[face.name, face.number]
    image = decode_picture(record["image"], face.name)
    assert image.shape[1] <= 256 - 100
    back = geometry.transform_points(record["to_original"], record["landmarks"])
    np.testing.assert_allclose(back, face.points, atol=1e-3)


def test_hidden_and_missing_faces_are_counted_and_listed(built):
    log = built["faces"].log
    assert not log.damaged
    assert len(log.incomplete) == TOTAL - 5
    # A face of two splits is listed once.
    assert log.incomplete["flickr/2/image99999.jpg: no such image"] == ["test_full", "test_frontal"]
    assert log.notes == [
        "train: skipped 19998 faces: no visible landmark.",
        "train: 2 hidden landmarks without a position near the face: unknown.",
        "test_full: skipped 1 face: no such image.",
        "test_full: skipped 4382 faces: no visible landmark.",
        "test_full: 1 hidden landmark without a position near the face: unknown.",
        "test_frontal: found 3 faces, the official set has 1314.",
        "test_frontal: skipped 1 face: no such image.",
    ]
    written = (built["faces"].data_path / "skipped.txt").read_text().splitlines()
    assert len(written) == len(log.notes) + TOTAL - 5
    assert "incomplete: flickr/0/hidden.jpg, face 7: no visible landmark" in "\n".join(written)


def test_describes_itself(built):
    assert "19 landmarks" in built["faces"].info.description
    assert built["faces"].info.citation.count("author") == 2


def test_a_short_file_is_all_for_training(small: pathlib.Path, tmp_path: pathlib.Path):
    builder, _ = build.build("aflw19", small, tmp_path / "built")
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {"train": 3}
    assert "test_full: left out, it has no faces." in builder.log.notes
    assert "test_frontal: left out, it has no faces." in builder.log.notes


@pytest.mark.parametrize("more", [0, 1])
def test_a_number_of_faces_that_is_not_the_official_one_is_noted(small, tmp_path, monkeypatch, more: int):
    for split, count in {"train": 3, "test_full": 0, "test_frontal": 0}.items():
        monkeypatch.setitem(aflw19_dataset_builder.OFFICIAL, split, count + more)
    (small / "flickr/3/image00004.jpg").unlink()  # the annotation is compared, not the images
    builder, _ = build.build("aflw19", small, tmp_path / "built")
    expected = [
        "train: found 3 faces, the official set has 4.",
        "test_full: found 0 faces, the official set has 1.",
        "test_frontal: found 0 faces, the official set has 1.",
    ]
    assert [note for note in builder.log.notes if "official" in note] == expected * more


def set_number(variable: str, columns: int | Sequence[int], values: float | Sequence[float]):
    def damage(root: pathlib.Path) -> None:
        array = scipy.io.loadmat(root / INFO)[variable].astype(np.float64)
        array[2, columns] = values
        change(root, **{variable: array})

    return damage


def set_name(value: object):
    def damage(root: pathlib.Path) -> None:
        pictures = scipy.io.loadmat(root / INFO)["nameList"]
        pictures[2, 0] = value
        change(root, nameList=pictures)

    return damage


def truncate_picture(root: pathlib.Path) -> None:
    picture = root / "flickr/3/image00004.jpg"
    picture.write_bytes(picture.read_bytes()[:900])


def refuse_reading(root: pathlib.Path) -> None:
    picture = root / "flickr/3/image00004.jpg"
    picture.unlink()
    picture.symlink_to("/proc/self/mem")  # a file, but there is nothing to read at its start


def move_away(root: pathlib.Path) -> None:
    data = scipy.io.loadmat(root / INFO)["data"]
    data[2] += 1000
    change(root, data=data)


WHERE = "AFLWinfo_release.mat, row 3"
PICTURE = "flickr/3/image00004.jpg: "
BELOW = ", expected a path below flickr/"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (set_number("data", 20, np.nan), f"{PICTURE}1 of 19 landmarks are not finite numbers"),
        (set_number("data", 1, np.inf), f"{PICTURE}1 of 19 landmarks are not finite numbers"),
        (set_number("bbox", 0, np.nan), f"{PICTURE}the face box is [nan, "),
        (set_number("bbox", 1, -500.0), f"{PICTURE}the face box is ["),
        (set_number("bbox", [0, 1], np.inf), f"{PICTURE}the face box is [inf, "),
        (set_number("bbox", range(4), [-1e8, 1e8] * 2), f"{PICTURE}the face box within [-100000000.0, "),
        (set_number("bbox", range(4), [5000, 5010] * 2), f"{PICTURE}the face box within [5000.0, "),
        (set_number("data", 7, 1e7), f"{PICTURE}landmarks within ["),
        (set_number("mask_new", 4, np.nan), f"{WHERE}, mask_new: found [nan], expected 0 or 1"),
        (set_number("mask_new", 4, 2.0), f"{WHERE}, mask_new: found [2.0], expected 0 or 1"),
        (set_name("../secret.jpg"), f"{WHERE}: found the image '../secret.jpg'{BELOW}"),
        (set_name("0/../../secret.jpg"), f"{WHERE}: found the image '0/../../secret.jpg'{BELOW}"),
        (set_name("/etc/passwd"), f"{WHERE}: found the image '/etc/passwd'{BELOW}"),
        (set_name(""), f"{WHERE}: found the image ''{BELOW}"),
        (set_name(np.ones((2, 2))), f"{WHERE}: found the image ''{BELOW}"),
        (set_name("..\\secret.jpg"), f"{WHERE}: found the image '..\\\\secret.jpg'{BELOW}"),
        (set_name("C:\\secret.jpg"), f"{WHERE}: found the image 'C:\\\\secret.jpg'{BELOW}"),
        (truncate_picture, f"{PICTURE}900 bytes that do not decode as an image"),
        (refuse_reading, f"{PICTURE}cannot be read: Input/output error"),
        (move_away, f"{PICTURE}landmarks within ["),
    ],
)
def test_a_damaged_face_is_skipped_and_named_up_to_the_limit(
    small, tmp_path: pathlib.Path, damage, reason: str
):
    damage(small)
    with pytest.raises(BuildError, match=r"^train: 1 of 3 records are damaged, at most 1\.00% may be:\n"):
        build.build("aflw19", small, tmp_path / "built")
    assert not list((tmp_path / "built" / "aflw19" / "faces").iterdir())
    builder, _ = build.build("aflw19", small, tmp_path / "built", max_skipped=0.5)
    assert builder.info.splits["train"].num_examples == 2
    (logged,) = builder.log.damaged
    assert logged.startswith(reason)
    assert "\n" not in logged


def test_a_name_too_long_for_a_file_is_a_missing_image(small: pathlib.Path, tmp_path: pathlib.Path):
    name = f"3/{'x' * 300}.jpg"
    set_name(name)(small)
    builder, _ = build.build("aflw19", small, tmp_path / "built")
    assert dict(builder.log.incomplete) == {f"flickr/{name}: no such image": ["train"]}


def test_hidden_landmarks_are_known_within_one_box_of_their_face(small, tmp_path: pathlib.Path):
    info = scipy.io.loadmat(small / INFO)
    x_min, x_max, y_min, y_max = info["bbox"][0]
    left, right = 2 * x_min - x_max, 2 * x_max - x_min
    top, bottom = 2 * y_min - y_max, 2 * y_max - y_min
    assert right - left != bottom - top
    near = [(left, top), (right, bottom), (left, y_max), (x_min, bottom)]
    far = [(left - 1, top), (right + 1, y_min), (x_min, top - 1), (right, bottom + 1)]
    nowhere = [(np.nan, y_min), (x_min, np.inf), (-np.inf, y_min), (1e300, -1e300)]
    points = np.array([*near, *far, *nowhere])
    info["mask_new"][0, :12] = 0
    info["data"][0, :12], info["data"][0, 19:31] = points.T
    change(small, data=info["data"], mask_new=info["mask_new"])
    builder, _ = build.build("aflw19/original", small, tmp_path / "built")
    record = read(builder, "train")["flickr/0/image00001.jpg", 0]
    assert record["visibility"].tolist() == [OCCLUDED] * 4 + [UNKNOWN] * 8 + [VISIBLE] * 7
    np.testing.assert_array_equal(record["landmarks"][:4], np.float32(near))
    np.testing.assert_array_equal(record["landmarks"][4:12], 0)
    # Two of them belong to another image.
    assert "train: 10 hidden landmarks without a position near the face: unknown." in builder.log.notes


def cut_short(root: pathlib.Path) -> None:
    (root / INFO).write_bytes((root / INFO).read_bytes()[:900])


def write_text(root: pathlib.Path) -> None:
    (root / INFO).write_text("<html>not found</html>" * 20)


def write_hdf5(root: pathlib.Path) -> None:
    (root / INFO).write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(600))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_short, f"{INFO}: "),
        (write_text, f"{INFO}: not a readable MATLAB file ("),
        (write_hdf5, f"{INFO}: a MATLAB file of version 7.3, expected version 7 or older"),
        (
            lambda root: change(root, ra=None),
            f"{INFO}: no readable variable ra, expected nameList, ",
        ),
        (
            lambda root: change(root, data=np.ones((3, 37))),
            f"{INFO}, data: an array of 3 x 37 float64, expected 3 x 38 numbers",
        ),
        (
            lambda root: change(root, bbox=np.ones((4, 4))),
            f"{INFO}, bbox: an array of 4 x 4 float64, expected 3 x 4 numbers",
        ),
        (
            lambda root: change(root, mask_new=np.ones((3, 19)) * 1j),
            f"{INFO}, mask_new: an array of 3 x 19 complex128, expected 3 x 19 numbers",
        ),
        (
            lambda root: change(root, ra=np.array([[0, 1, 2]])),
            f"{INFO}: found 3 int64 in ra, expected a permutation of 1 to 3",
        ),
    ],
    ids=["short", "text", "hdf5", "no-ra", "37", "4-boxes", "complex", "from-0"],
)
def test_a_damaged_file_stops_the_build_and_is_named(small, tmp_path: pathlib.Path, damage, reason: str):
    damage(small)
    with pytest.raises(BuildError) as error:
        build.build("aflw19", small, tmp_path / "built")
    assert str(error.value).startswith(reason)


@pytest.mark.parametrize("part", [INFO, "flickr"])
def test_without_its_parts_the_expected_tree_is_shown(small: pathlib.Path, tmp_path: pathlib.Path, part: str):
    (small / part).rename(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match=f"no {part} here") as error:
        build.build("aflw19", small, tmp_path / "built")
    assert "flickr/0/ " in str(error.value)


def test_without_any_image_there_is_nothing_to_build(small: pathlib.Path, tmp_path: pathlib.Path):
    for folder in list((small / "flickr").iterdir()):
        shutil.rmtree(folder)
    with pytest.raises(BuildError, match=r"no face of AFLWinfo_release\.mat has its image here"):
        build.build("aflw19", small, tmp_path / "built")
