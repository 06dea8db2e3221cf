"""The contents of a folder, the choice of the points, and the images that a name fits."""

import pathlib

import pytest

from tfds_builders import BuildError
from tfds_builders.landmark_folder import folder
from tfds_builders.landmark_folder.example_points import write


def test_walk_lists_images_and_points_by_suffix(tmp_path: pathlib.Path):
    for file in (
        "b/2.PNG",
        "b/1.jpg",
        "a.jpeg",
        "a.pts",
        "b/1.json",
        "landmarks.json",
        "._c.jpg",
        ".d/e.jpg",
        "f.psd",
    ):
        write(tmp_path, file, "")
    contents = folder.walk(tmp_path)
    assert contents.pictures == ["a.jpeg", "b/1.jpg", "b/2.PNG"]
    assert contents.points == {".pts": {"a": "a.pts"}, ".json": {"b/1": "b/1.json"}, ".ljson": {}, ".txt": {}}


def test_links_to_folders_are_followed_once(tmp_path: pathlib.Path):
    write(tmp_path, "disk/1.jpg", "")
    write(tmp_path, "mine/0.jpg", "")
    (tmp_path / "mine/linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/back").symlink_to(tmp_path / "mine")
    assert folder.walk(tmp_path / "mine").pictures == ["0.jpg", "linked/1.jpg"]


@pytest.mark.parametrize(
    ("files", "points"),
    [
        (["a.jpg", "a.pts"], "*.pts"),
        (["a.jpg", "a.pts", "a.txt"], "*.pts"),
        (["a.jpg", "a.json", "faces.json"], "*.json"),
        (["a.jpg", "a.ljson", "faces.json"], "*.ljson"),
        (["a.jpg", "faces.csv", "landmarks.json"], "faces.csv"),
        (["a.jpg", "a.txt", "faces.csv"], "faces.csv"),
        (["a.jpg", "a.txt", "faces.xml"], "*.txt"),
        (["a.jpg", "b.pts", "faces.json"], "faces.json"),
    ],
)
def test_the_existing_points_are_chosen(tmp_path: pathlib.Path, files: list[str], points: str):
    for file in files:
        write(tmp_path, file, "")
    assert folder.choose_points(tmp_path, folder.walk(tmp_path)) == [points]


def test_all_files_in_the_form_of_coco_are_chosen(tmp_path: pathlib.Path):
    coco = {"images": [], "annotations": []}
    for file, content in {"a.jpg": "", "train.json": coco, "val.json": coco}.items():
        write(tmp_path, file, content)
    assert folder.choose_points(tmp_path, folder.walk(tmp_path)) == ["train.json", "val.json"]
    write(tmp_path, "other.json", {})
    with pytest.raises(
        BuildError, match=r"the folder has other\.json, train\.json, val\.json for all of them"
    ):
        folder.choose_points(tmp_path, folder.walk(tmp_path))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["a.jpg"],
            "no image has a .pts, .json, .ljson or .txt file, and the folder has no .csv, .json or .xml for all of",
        ),
        (["a.jpg", "b.csv", "c.json"], "the folder has b.csv, c.json for all of them; expected one"),
        (
            ["a.jpg", "a.pts", "a.json"],
            "1 images have a .pts file and 1 images have a .json file, expected one form",
        ),
    ],
)
def test_no_choice_or_several_are_refused(tmp_path: pathlib.Path, files: list[str], message: str):
    for file in files:
        write(tmp_path, file, "")
    with pytest.raises(BuildError) as error:
        folder.choose_points(tmp_path, folder.walk(tmp_path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("a/1.jpg", ["a/1.jpg"]),
        ("a\\1.jpg", ["a/1.jpg"]),
        ("./b/2.jpg", ["b/2.jpg"]),
        ("2.jpg", ["b/2.jpg"]),
        ("1.jpg", ["a/1.jpg", "b/a/1.jpg"]),
        ("a/2.jpg", []),
        ("xb/2.jpg", []),
        ("../b/2.jpg", []),
        ("/b/2.jpg", ["b/2.jpg"]),
        ("/home/me/b/2.jpg", ["b/2.jpg"]),
        ("/home/me/old/2.jpg", ["b/2.jpg"]),
        ("C:\\data\\b\\2.jpg", ["b/2.jpg"]),
        ("/home/a/1.jpg", ["a/1.jpg"]),
        ("/home/b/a/1.jpg", ["b/a/1.jpg"]),
        ("/home/x/1.jpg", ["a/1.jpg", "b/a/1.jpg"]),
        ("/home/../b/2.jpg", []),
        ("/3.jpg", []),
    ],
)
def test_a_name_is_a_path_or_the_end_of_one(name: str, images: list[str]):
    assert list(folder.make_finder(["a/1.jpg", "b/2.jpg", "b/a/1.jpg"])(name)) == images
