"""Building COFW from drawn faces in its original format, reading it back, and damaging it in every known way."""

import pathlib

import h5py
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.records import OCCLUDED, VISIBLE
from tfds_builders import BuildError, build, face_builder
from tfds_builders.cofw import cofw_dataset_builder
from tfds_builders.cofw.conftest import FILES, names, read

CONFIGS = ("faces", "original", "cofw68", "cofw68_original")


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory: pytest.TempPathFactory) -> dict[str, face_builder.FaceBuilder]:
    data_dir = tmp_path_factory.mktemp("built")
    return {config: build.build(f"cofw/{config}", raw.root, data_dir)[0] for config in CONFIGS}


def rgb(picture: np.ndarray) -> np.ndarray:
    return np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture


def corners(box: np.ndarray) -> np.ndarray:
    """The left, top, right and bottom edge, counted from 0, computed by hand."""
    left, top, width, height = box
    return np.float32([left - 1, top - 1, left + width - 1, top + height - 1])


def test_splits_have_the_faces_of_their_files(built):
    for config, counts in zip(CONFIGS, [{"train": 3, "test": 2}] * 2 + [{"test": 2}] * 2, strict=True):
        info = built[config].info
        assert {split: part.num_examples for split, part in info.splits.items()} == counts
        assert info.features["landmarks"].shape == ((68, 2) if "68" in config else (29, 2))
        for split, count in counts.items():
            assert list(read(built[config], split)) == names(split, count)


@pytest.mark.parametrize("split", FILES)
def test_original_keeps_landmarks_boxes_and_images_bit_by_bit(built, raw, split: str):
    for index, record in enumerate(read(built["original"], split).values()):
        x, y, flags = raw.phis[split][index].reshape(3, 29)
        np.testing.assert_array_equal(record["landmarks"], np.float32(np.stack([x - 1, y - 1], axis=1)))
        np.testing.assert_array_equal(record["visibility"], np.where(flags, OCCLUDED, VISIBLE))
        np.testing.assert_array_equal(record["box"], corners(raw.boxes[split][index]))
        np.testing.assert_array_equal(record["image"], rgb(raw.pictures[split][index]))
        np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)
        assert record["face"] == 0


def test_cofw68_keeps_landmarks_boxes_and_images_bit_by_bit(built, raw):
    for index, record in enumerate(read(built["cofw68_original"], "test").values()):
        np.testing.assert_array_equal(record["landmarks"], np.float32(raw.points68[index] - 1))
        flags = raw.flags68[index]
        np.testing.assert_array_equal(record["visibility"], np.where(flags, OCCLUDED, VISIBLE))
        np.testing.assert_array_equal(record["box"], corners(raw.boxes68[index]))
        np.testing.assert_array_equal(record["image"], raw.pictures["test"][index])


@pytest.mark.parametrize(("cut", "whole"), [("faces", "original"), ("cofw68", "cofw68_original")])
def test_faces_are_cut_out_and_map_back(built, cut: str, whole: str):
    for split in built[cut].info.splits:
        originals = read(built[whole], split)
        for name, record in read(built[cut], split).items():
            back = geometry.transform_points(record["to_original"], record["landmarks"])
            np.testing.assert_allclose(back, originals[name]["landmarks"], atol=1e-3)
            back = geometry.transform_points(record["to_original"], record["box"].reshape(2, 2))
            np.testing.assert_allclose(back.reshape(4), originals[name]["box"], atol=1e-3)
            np.testing.assert_array_equal(record["visibility"], originals[name]["visibility"])
            x, y = record["to_original"][:, 2].round().astype(int)
            height, width = record["image"].shape[:2]
            difference = record["image"].astype(int) - originals[name]["image"][y : y + height, x : x + width]
            assert np.abs(difference).mean() < 3  # JPEG


def test_describes_itself_and_notes_where_a_copy_differs_from_the_official_set(built):
    assert built["faces"].info.citation.count("author") == 2
    assert built["original"].builder_config.description == "The whole images, as PNG."
    assert built["faces"].log.notes == [
        "train: found 3 faces, the official set has 1345.",
        "test: found 2 faces, the official set has 507.",
    ]
    assert built["cofw68"].log.notes == ["test: found 2 faces, the official set has 507."]
    assert not any(builder.log.damaged or builder.log.incomplete for builder in built.values())


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("config", ["faces", "cofw68"])
def test_a_number_of_faces_that_is_not_the_official_one_is_noted(raw, tmp_path, monkeypatch, config, more):
    for split, count in {"train": 3, "test": 2}.items():
        monkeypatch.setitem(cofw_dataset_builder.OFFICIAL, split, count + more)
    builder, _ = build.build(f"cofw/{config}", raw.root, tmp_path / "built")
    expected = {
        "train": "train: found 3 faces, the official set has 4.",
        "test": "test: found 2 faces, the official set has 3.",
    }
    assert builder.log.notes == [expected[split] for split in builder.info.splits] * more


def test_a_missing_file_leaves_its_split_out(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / FILES["train"]).unlink()
    builder, _ = build.build("cofw", copy, tmp_path / "built")
    assert list(builder.info.splits) == ["test"]
    assert "train: left out, COFW_train_color.mat is missing, and with it 1345 faces." in builder.log.notes
    (copy / FILES["test"]).unlink()
    with pytest.raises(BuildError, match=r"neither file of COFW is here\.\nCOFW \(colour\) comes from"):
        build.build("cofw", copy, tmp_path / "none")


def replace_picture(h5: h5py.File, array: np.ndarray) -> None:
    h5["IsT"][0, 1] = h5.create_dataset("#refs#/other", data=array).ref


def lose_a_number(h5: h5py.File) -> str:
    h5["phisT"][30, 1] = np.nan
    return "1 of 29 landmarks are not finite numbers"


def lose_a_flag(h5: h5py.File) -> str:
    h5["phisT"][60, 1] = np.nan
    return "occlusion flags: found [nan], expected 0 or 1"


def blur_a_flag(h5: h5py.File) -> str:
    h5["phisT"][60, 1] = 0.5
    return "occlusion flags: found [0.5], expected 0 or 1"


def flatten_the_box(h5: h5py.File) -> str:
    h5["bboxesT"][:, 1] = [3, 4, 0, 20]
    return "the face box is [2.0, 3.0, 2.0, 23.0], expected a finite box with an area"


def clear_the_reference(h5: h5py.File) -> str:
    h5["IsT"][0, 1] = h5py.Reference()
    return "the image is unreadable ("


def delete_the_picture(h5: h5py.File) -> str:
    del h5["#refs#/IsT1"]
    return "the image is unreadable ("


def refer_to_a_group(h5: h5py.File) -> str:
    h5["IsT"][0, 1] = h5["#refs#"].ref
    return "the image is not an array, expected (3, width, height) or (width, height) uint8"


def add_a_channel(h5: h5py.File) -> str:
    replace_picture(h5, np.zeros((4, 20, 30), np.uint8))
    return "the image is (4, 20, 30) uint8, expected"


def store_decimals(h5: h5py.File) -> str:
    replace_picture(h5, np.zeros((3, 20, 30)))
    return "the image is (3, 20, 30) float64, expected"


def store_a_line(h5: h5py.File) -> str:
    replace_picture(h5, np.zeros(20, np.uint8))
    return "the image is (20,) uint8, expected"


def store_nothing(h5: h5py.File) -> str:
    replace_picture(h5, np.zeros((0, 20), np.uint8))
    return "the image is (0, 20) uint8, expected"


def store_times(h5: h5py.File) -> str:
    kind = h5py.h5t.UNIX_D32LE  # a type that NumPy does not have
    h5py.h5d.create(h5["#refs#"].id, b"times", kind, h5py.h5s.create_simple((20, 30)))
    h5["IsT"][0, 1] = h5["#refs#/times"].ref
    return "the image is unreadable ("


def store_emptiness(h5: h5py.File) -> str:
    h5["#refs#/nothing"] = h5py.Empty(np.uint8)
    h5["IsT"][0, 1] = h5["#refs#/nothing"].ref
    return "the image is None uint8, expected"


def claim_too_much(h5: h5py.File) -> str:
    huge = h5.create_dataset("#refs#/huge", (3, 2**30, 2**30), np.uint8, chunks=(3, 64, 64))
    h5["IsT"][0, 1] = huge.ref
    return "the image is unreadable ("


def shrink_the_picture(h5: h5py.File) -> str:
    replace_picture(h5, np.zeros((2, 3), np.uint8))
    return "landmarks within ["


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_number,
        lose_a_flag,
        blur_a_flag,
        flatten_the_box,
        clear_the_reference,
        delete_the_picture,
        refer_to_a_group,
        add_a_channel,
        store_decimals,
        store_a_line,
        store_nothing,
        store_times,
        store_emptiness,
        claim_too_much,
        shrink_the_picture,
    ],
)
def test_a_damaged_face_is_skipped_and_named_up_to_the_limit(
    copy: pathlib.Path, tmp_path: pathlib.Path, damage
):
    with h5py.File(copy / FILES["test"], "r+") as h5:
        reason = damage(h5)
    (copy / FILES["train"]).unlink()
    with pytest.raises(BuildError, match=r"^test: 1 of 2 records are damaged, at most 1\.00% may be:\n"):
        build.build("cofw", copy, tmp_path / "built")
    assert not list((tmp_path / "built" / "cofw" / "faces").iterdir())
    builder, _ = build.build("cofw", copy, tmp_path / "built", max_skipped=0.5)
    assert list(read(builder, "test")) == names("test", 2)[:1]
    (logged,) = builder.log.damaged
    assert logged.startswith(f"COFW_test_color.mat/0002: {reason}")
    assert "\n" not in logged


def cut_short(file: pathlib.Path) -> str:
    file.write_bytes(file.read_bytes()[:5000])
    return "COFW_test_color.mat: not a readable MATLAB 7.3 (HDF5) file ("


def write_text(file: pathlib.Path) -> str:
    file.write_text("<html>not found</html>")
    return "COFW_test_color.mat: not a readable MATLAB 7.3 (HDF5) file ("


def lose_the_landmarks(file: pathlib.Path) -> str:
    with h5py.File(file, "r+") as h5:
        del h5["phisT"]
    return "COFW_test_color.mat: no variable phisT; found IsT, bboxesT"


def lose_a_row(file: pathlib.Path) -> str:
    with h5py.File(file, "r+") as h5:
        numbers = h5["phisT"][()]
        del h5["phisT"]
        h5["phisT"] = numbers[:-1]
    return "COFW_test_color.mat, phisT: an array of 86 x 2 float64, expected 87 x 2 numbers"


def add_a_box(file: pathlib.Path) -> str:
    with h5py.File(file, "r+") as h5:
        del h5["bboxesT"]
        h5["bboxesT"] = np.ones((4, 3))
    return "COFW_test_color.mat, bboxesT: an array of 4 x 3 float64, expected 4 x 2 numbers"


def store_no_cells(file: pathlib.Path) -> str:
    with h5py.File(file, "r+") as h5:
        del h5["IsT"]
        h5["IsT"] = np.ones((1, 2))
    return "COFW_test_color.mat: IsT is (1, 2) float64, expected one row of references to images"


def store_empty_landmarks(file: pathlib.Path) -> str:
    with h5py.File(file, "r+") as h5:
        del h5["phisT"]
        h5["phisT"] = h5py.Empty(np.float64)
    return "COFW_test_color.mat: no variable phisT; found IsT, bboxesT, phisT"


@pytest.mark.parametrize(
    "damage",
    [cut_short, write_text, lose_the_landmarks, lose_a_row, add_a_box, store_no_cells, store_empty_landmarks],
)
def test_a_damaged_file_stops_the_build_and_is_named(copy: pathlib.Path, tmp_path: pathlib.Path, damage):
    reason = damage(copy / FILES["test"])
    with pytest.raises(BuildError) as error:
        build.build("cofw", copy, tmp_path / "built")
    assert str(error.value).startswith(reason)
    assert not list((tmp_path / "built" / "cofw" / "faces").iterdir())
