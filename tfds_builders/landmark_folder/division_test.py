"""The division into training and testing."""

import pathlib

import numpy as np
import pytest

from tfds_builders import BuildError, build, face_builder
from tfds_builders.landmark_folder import division, example_points
from tfds_builders.landmark_folder.example_points import FIVE, PICTURES, POINTS, csv_of, points_of, write


def built(root: pathlib.Path, **kwargs) -> face_builder.FaceBuilder:
    return build.build("landmark_folder/original", root, root.parent / "built", **kwargs)[0]


def pictures_of(builder: face_builder.FaceBuilder) -> dict[str, list[str]]:
    """Split -> names of its images."""
    return {
        split: sorted(record["name"].decode() for record in builder.as_data_source(split=split))
        for split in builder.info.splits
    }


def write_lists(root: pathlib.Path, **lists: list[str]) -> None:
    """Writes lists below lists/ and names them in landmarks.json."""
    for split, listed in lists.items():
        write(root, f"lists/{split}.txt", "\n".join(listed))
    write(root, "landmarks.json", {"scheme": FIVE, **{split: f"lists/{split}.txt" for split in lists}})


def test_the_share_of_an_image_depends_on_its_path_alone():
    shares = [division.share_of(f"{i}.jpg") for i in range(2000)]
    assert 0.08 < np.mean(np.array(shares) < 0.1) < 0.12
    # The first 48 bits of the SHA-256 of the path; another number would change the splits of existing folders.
    assert division.share_of("a/b.jpg") == pytest.approx(0.29030438565578365, abs=1e-15)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"test": PICTURES[:2]}, {"test": PICTURES[:2], "train": PICTURES[2:]}),
        ({"train": PICTURES[:2]}, {"train": PICTURES[:2], "test": PICTURES[2:]}),
        ({"train": PICTURES[:2], "test": PICTURES[5:]}, {"train": PICTURES[:2], "test": PICTURES[5:]}),
        ({"train": [*PICTURES[:6], "gone.jpg"]}, {"train": PICTURES[:6], "test": PICTURES[6:]}),
        ({"test": [*PICTURES[:2], "carl/0.jpg"]}, {"test": PICTURES[:2], "train": PICTURES[2:]}),
    ],
)
def test_lists_divide_the_images(root: pathlib.Path, lists: dict, expected: dict):
    example_points.write_csv(root)
    write_lists(root, **{split: [f"./{picture} \n" for picture in listed] for split, listed in lists.items()})
    builder = built(root)
    assert pictures_of(builder) == expected
    missing = {
        f"lists/{split}.txt: no image {picture!r}": [split]
        for split, listed in lists.items()
        for picture in listed
        if picture not in PICTURES
    }
    assert dict(builder.log.incomplete) == missing
    left_out = len(PICTURES) - sum(map(len, expected.values()))
    note = f"left out {left_out} image{'' if left_out == 1 else 's'} of no list."
    assert (note in builder.log.notes) == (left_out > 0)


@pytest.mark.parametrize("entry", ["only.jpg", "bert\\only.jpg", "./bert/only.jpg"])
def test_a_list_names_images_as_annotations_do(root: pathlib.Path, entry: str):
    example_points.write_pts(root)
    for suffix in (".jpg", ".pts"):
        (root / f"bert/0{suffix}").rename(root / f"bert/only{suffix}")
    write_lists(root, test=[entry])
    names = pictures_of(built(root))
    assert names["test"] == ["bert/only.jpg"]
    assert len(names["train"]) == 7


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"train": PICTURES[:1], "test": PICTURES[1::-1]},
            "anna/0.jpg is both in lists/train.txt and in lists/test.txt",
        ),
        (
            {"train": ["only.jpg"], "test": ["bert/only.jpg"]},
            "bert/only.jpg is both in lists/train.txt and in lists/test.txt",
        ),
        (
            {"test": ["mine/anna/0.jpg", "mine/anna/1.jpg"]},
            "test.txt: none of its images is in the folder, the first is 'mine/anna/0.jpg'",
        ),
        (
            {"test": ["anna/0.jpg", "1.jpg"]},
            "test.txt: '1.jpg' fits anna/1.jpg and bert/1.jpg, expected the path from the folder",
        ),
        (
            {"train": ["anna/0.jpg", "1.jpg"]},
            "train.txt: '1.jpg' fits anna/1.jpg and bert/1.jpg, expected the path from the folder",
        ),
        (
            {"test": ["anna/0.jpg", "/photos/other.jpg"]},
            "test.txt: found '/photos/other.jpg', expected the path of an image below the folder",
        ),
        ({"test": [" ", ""]}, "test.txt: the list is empty, expected the path of an image on each line"),
    ],
)
def test_an_ambiguous_or_invalid_list_is_refused(root: pathlib.Path, lists: dict, message: str):
    (root / "bert/0.jpg").rename(root / "bert/only.jpg")
    write(root, "points.csv", csv_of({PICTURES[0]: POINTS}))
    write_lists(root, **lists)
    with pytest.raises(BuildError) as error:
        built(root)
    assert message in str(error.value)


def test_a_list_must_exist_and_be_in_utf_8(root: pathlib.Path):
    example_points.write_csv(root)
    write(root, "landmarks.json", {"scheme": FIVE, "test": "b.txt"})
    with pytest.raises(BuildError, match=r"b\.txt: no such list of images"):
        built(root)
    (root / "b.txt").write_bytes("anna/0.jpg\né.jpg".encode("latin-1"))
    with pytest.raises(BuildError, match=r"b\.txt, line 2: found the byte 0xe9, expected text in UTF-8"):
        built(root)


def test_with_two_lists_bad_annotations_are_still_reported(root: pathlib.Path):
    outside = {"../x.jpg": POINTS, "gone.jpg": POINTS}
    write(root, "points.csv", csv_of({picture: points_of(picture) for picture in PICTURES} | outside))
    write_lists(root, train=PICTURES[:3], test=PICTURES[3:6])
    bad_path = "points.csv, line 10: the image is '../x.jpg', expected a path below the folder"
    with pytest.raises(BuildError, match=r"train: 1 of 4 records are damaged.*\n.*line 10"):
        built(root)
    builder = built(root, max_skipped=0.3)
    assert list(builder.log.damaged) == [bad_path]
    assert list(builder.log.incomplete) == ["points.csv, line 11: no image 'gone.jpg'"]
    assert "left out 2 images of no list." in builder.log.notes
    assert pictures_of(builder) == {"train": PICTURES[:3], "test": PICTURES[3:6]}


def coco_files(root: pathlib.Path, **pictures: list[str]) -> None:
    write(root, "landmarks.json", {"scheme": FIVE})
    keypoints = [*np.c_[POINTS, [2] * 5].ravel()]
    for name, some in pictures.items():
        write(root, f"{name}.json", example_points.coco_of(dict.fromkeys(some, keypoints)))


def test_files_of_points_divide_the_images_by_their_names(root: pathlib.Path):
    coco_files(root, faces_train2017=PICTURES[:-2], faces_val2017=PICTURES[-2:])
    assert pictures_of(built(root)) == {"train": sorted(PICTURES[:-2]), "test": sorted(PICTURES[-2:])}


def test_files_of_points_without_such_names_are_divided_as_one(root: pathlib.Path):
    coco_files(root, one=PICTURES[:-2], latest=PICTURES[-2:])
    parts = pictures_of(built(root))
    assert sorted(name for part in parts.values() for name in part) == sorted(PICTURES)
    assert parts.get("test") != sorted(PICTURES[-2:])


def test_an_image_in_files_for_training_and_for_testing_is_refused(root: pathlib.Path):
    coco_files(root, train=PICTURES, test=PICTURES[-1:])
    with pytest.raises(
        BuildError, match=rf"{PICTURES[-1]} is in files for training and for testing, of test\.json"
    ):
        built(root)
