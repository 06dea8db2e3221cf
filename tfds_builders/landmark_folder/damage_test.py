"""A folder of drawn images and points damaged in every known way."""

import os
import pathlib

import pytest

from dsat_jax.errors import UserError
from tfds_builders import BuildError, build
from tfds_builders.landmark_folder.example_points import (
    FIVE,
    PICTURES,
    POINTS,
    coco_of,
    csv_of,
    write,
    write_pts,
)

DEEP = "[" * 100_000 + "]" * 100_000
TRUE = [[True, 1.5], *POINTS.tolist()[1:]]


def built(root: pathlib.Path) -> None:
    build.build("landmark_folder", root, root.parent / "built")


def write_bytes(root: pathlib.Path, file: str, content: object) -> None:
    """Writes bytes unchanged, and other content with `write`."""
    if isinstance(content, bytes):
        (root / file).write_bytes(content)
    else:
        write(root, file, content)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}).replace("90.0", "nan"),
            "points.csv, line 2, point 1: found 'nan 52.0', expected 2 finite numbers `x y`",
        ),
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}).replace("90.0", ""),
            "points.csv, line 2, point 1: found '52.0', expected 2 finite numbers `x y`",
        ),
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}).replace("90.0,52.0", "90.0 52.0,"),
            "points.csv, line 2, point 1: found the cell '90.0 52.0', expected one number",
        ),
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}, boxes=True).replace("20.0,30.0", ",20.0 30.0"),
            "points.csv, line 2: found the cell '20.0 30.0', expected one number",
        ),
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}).replace(",40.5", ""),
            "points.csv, line 2: found 11 fields, expected 12",
        ),
        (
            "points.csv",
            csv_of({PICTURES[0]: POINTS}).replace(",40.5", ",40.5,1"),
            "points.csv, line 2: found 13 fields, expected 12",
        ),
        (
            "points.csv",
            csv_of({"../outside.jpg": POINTS}),
            "points.csv, line 2: the image is '../outside.jpg', expected a path below the folder",
        ),
        (
            "points.csv",
            csv_of({"/etc/outside.jpg": POINTS}),
            "points.csv, line 2: the image is '/etc/outside.jpg', expected a path below the folder",
        ),
        (
            "points.json",
            {PICTURES[0]: POINTS.tolist()[:4]},
            f"points.json, {PICTURES[0]}: 4 points, five has 5",
        ),
        (
            "points.json",
            {PICTURES[0]: {"landmarks": [[1, "2"]] * 5}},
            f"points.json, {PICTURES[0]}: landmarks: found [[1, '2'], [1, '2'], [1, '2'], [1, '2'], [1, '2']], "
            "expected 5 x 2 finite numbers",
        ),
        (
            "points.json",
            {PICTURES[0]: TRUE},
            f"points.json, {PICTURES[0]}: landmarks: found [[True, 1.5], [90.0, 52.0], [64.0, 80.125], [50.0, 100.0], "
            "[80.0, 101.0]], expected 5 x 2 finite numbers",
        ),
        (
            "points.json",
            {PICTURES[0]: {"landmarks": POINTS.tolist(), "visibility": [1, 1, 1, 1, True]}},
            f"points.json, {PICTURES[0]}: visibility: found [1, 1, 1, 1, True], expected 5 finite numbers",
        ),
        (
            "points.json",
            {PICTURES[0]: [[10**400, 1]] * 5},
            ", 1]], expected 5 x 2 finite numbers",
        ),
        (
            "points.json",
            {"\ud800.jpg": POINTS.tolist()},
            r"points.json, '\ud800.jpg': the image is '\ud800.jpg', expected a path below the folder",
        ),
        (
            "points.json",
            {PICTURES[0]: {"landmarks": POINTS.tolist(), "box": [1, 2, 3]}},
            f"points.json, {PICTURES[0]}: box: found [1, 2, 3], expected 4 finite numbers",
        ),
        (
            "points.json",
            {PICTURES[0]: {"landmarks": POINTS.tolist(), "visibility": [1, 1, 1, 1, 3]}},
            f"points.json, {PICTURES[0]}: visibility has values other than 0, 1 and 2",
        ),
        (
            "points.json",
            {PICTURES[0]: {"points": POINTS.tolist()}},
            f"points.json, {PICTURES[0]}: found no landmarks, expected [[x, y], ...]",
        ),
        (
            "coco.json",
            coco_of({PICTURES[0]: [1, 2, 2] * 4 + [1, 2]}),
            "coco.json, annotation 0: keypoints: found [1, 2, 2, 1, 2, 2, ...], expected 12 finite numbers",
        ),
        (
            "coco.json",
            coco_of({PICTURES[0]: [1, 2, 7] * 5}),
            "coco.json, annotation 0: keypoints with a visibility other than 0, 1 and 2",
        ),
        (
            "coco.json",
            coco_of({PICTURES[0]: [True, 2, 2] * 5}),
            "coco.json, annotation 0: keypoints: found [True, 2, 2, True, 2, 2, ...], expected 15 finite numbers",
        ),
        (
            "coco.json",
            coco_of({PICTURES[0]: 3}),
            "coco.json, annotation 0: keypoints: found 3, expected [x, y, visibility, ...]",
        ),
        (
            "coco.json",
            coco_of({PICTURES[0]: [1, 2, 2] * 5}, image_id=99),
            "coco.json, annotation 0: no image has the id 99",
        ),
        ("anna/0.json", '{"faces": [', "anna/0.json: not JSON: Expecting value: line 1 column 12 (char 11)"),
        ("anna/0.json", DEEP, "anna/0.json: not JSON that can be read: it is nested too deeply"),
        (
            "anna/0.json",
            '[["é", 1]]'.encode("latin-1"),
            "anna/0.json: line 1: found the byte 0xe9, expected text in UTF-8",
        ),
        (
            "anna/0.json",
            "[[1, 2]]".encode("utf-16"),
            "anna/0.json: line 1: found the byte 0xff, expected text in UTF-8",
        ),
    ],
)
def test_damage_is_named(root: pathlib.Path, file: str, content: object, reason: str):
    write_bytes(root, file, content)
    with pytest.raises(BuildError) as error:
        built(root)
    assert reason in str(error.value).splitlines()[-1]
    assert "1 of 1 records are damaged" in str(error.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {},
            "no image has a .pts, .json, .ljson or .txt file, and the folder has no .csv, .json or .xml for all of",
        ),
        ({"a.csv": "", "b.json": "{}"}, "the folder has a.csv, b.json for all of them; expected one"),
        ({"a.csv": ""}, "a.csv: found the columns , expected image,x0,y0,x1,y1,..."),
        ({"a.csv": "image|x0|y0\n"}, "a.csv: found the columns image|x0|y0, expected image,x0,y0"),
        ({"a.csv": "image,x0,y0,x1\n"}, "a.csv: found the columns image,x0,y0,x1, expected image,x0,y0"),
        ({"a.json": "[]"}, "a.json: found [], expected COCO's form or an object from images to points"),
        ({"a.json": "{"}, "a.json: not JSON: "),
        ({"a.json": DEEP}, "a.json: not JSON that can be read: it is nested too deeply"),
        ({"landmarks.json": DEEP}, "landmarks.json: not JSON that can be read: it is nested too deeply"),
        (
            {"a.csv": csv_of({PICTURES[0]: POINTS}).encode("utf-16")},
            "a.csv, line 1: found the byte 0xff, expected text in UTF-8",
        ),
        (
            {"a.csv": csv_of({PICTURES[0]: POINTS, "é.jpg": POINTS}).encode("latin-1")},
            "a.csv, line 3: found the byte 0xe9, expected text in UTF-8",
        ),
        ({"a.csv": f"image,{'x' * 200_000}"}, "a.csv, line 1: not CSV: field larger than field limit"),
        (
            {"a.csv": csv_of({PICTURES[0]: POINTS, "y" * 200_000: POINTS})},
            "a.csv, line 3: not CSV: field larger than field limit",
        ),
        ({"a.json": '{"images": [{"id": 1, "file_name": 2}], "annotations": []}'}, "found the file_name 2, "),
        (
            {"a.json": {"images": [{"id": 1, "file_name": p} for p in PICTURES], "annotations": []}},
            "a.json: several images have the id 1",
        ),
        ({"a.json": '{"images": [{}], "annotations": []}'}, "a.json: not COCO's form: every image needs id"),
        ({"a.json": '{"images": [], "annotations": [3]}'}, "a.json: not COCO's form: every image needs id"),
        ({"a.json": {"x.jpg": [[1, 2]] * 5}}, "no image has points in a.json"),
        ({"landmarks.json": "{"}, "landmarks.json: not JSON: "),
        (
            {"landmarks.json": {"sceme": 1, "x": 2}},
            "landmarks.json: found sceme, x, expected an object with some of",
        ),
        (
            {"landmarks.json": {"scheme": "w68"}},
            "landmarks.json: scheme: unknown scheme 'w68', expected one of wflw_98, ",
        ),
        (
            {"landmarks.json": {"scheme": FIVE | {"num_points": 4}}},
            "scheme: mirror_pairs: found the point 4, ",
        ),
        (
            {"landmarks.json": {"train": "a.txt", "test": 0.1}, "a.txt": PICTURES[0]},
            "test is the share 0.1 although train is a list, expected a list (.txt), or no test",
        ),
        ({"landmarks.json": {"test": True}}, "test is True, expected a list (.txt) or a share from 0 to 1"),
        ({"landmarks.json": {"test": 1.5}}, "test is 1.5, expected a list (.txt) or a share from 0 to 1"),
        (
            {"landmarks.json": {"test": "../a.txt"}},
            "test is '../a.txt', expected a .txt file below the folder",
        ),
        (
            {"landmarks.json": {"points": "a.mat"}},
            "points is 'a.mat', expected *.pts or *.json or *.ljson or *.txt or a .csv file",
        ),
        (
            {"landmarks.json": {"points": ["a.json", "*.pts"]}},
            "points is '*.pts', expected a .csv file or a .json",
        ),
        ({"landmarks.json": {"points": []}}, "points is [], expected *.pts or *.json or"),
        ({"landmarks.json": {"first_pixel": 2}}, "first_pixel is 2, expected 0 or 1"),
        ({"landmarks.json": {"points": "a.csv"}}, "a.csv: no such file of points"),
        (
            {"landmarks.json": {}, "a.json": {PICTURES[0]: [[1, 2], [3, 4]]}},
            f"a.json, {PICTURES[0]} has 2 points, the built-in schemes have 19, 29, 68, 98, 106; describe",
        ),
        (
            {"landmarks.json": {}, "a.json": {PICTURES[0]: 3}},
            "none of 1 annotations can be read, so the number of points is unknown",
        ),
    ],
)
def test_a_mistake_is_one_clear_message(root: pathlib.Path, files: dict[str, object], message: str):
    for file, content in files.items():
        write_bytes(root, file, content)
    with pytest.raises(UserError) as error:
        built(root)
    assert message in str(error.value)


def test_a_folder_without_images_is_refused(tmp_path: pathlib.Path):
    write(tmp_path, "mine/notes.txt", "nothing")
    with pytest.raises(BuildError, match="no images here"):
        build.build("landmark_folder", tmp_path / "mine", tmp_path / "built")


def test_unreadable_points_of_an_image_are_damage(root: pathlib.Path):
    write_pts(root)
    (root / "anna/0.pts").unlink()
    (root / "anna/0.pts").symlink_to("nowhere.pts")
    with pytest.raises(BuildError, match=r"anna/0\.pts: cannot be read: No such file or directory"):
        built(root)
    for points in root.glob("*/*.pts"):
        points.unlink()
    (root / "anna/0.json").symlink_to("nowhere.json")
    with pytest.raises(BuildError, match=r"anna/0\.json: cannot be read: No such file or directory"):
        built(root)


def test_an_image_whose_name_is_not_in_utf_8_is_refused(root: pathlib.Path):
    write_pts(root)
    os.rename(root / "anna/0.jpg", os.fsencode(root) + b"/caf\xe9.jpg")
    with pytest.raises(BuildError, match=r"the name of the file 'caf\\udce9.jpg' is not in UTF-8"):
        built(root)
