"""The form of a file is chosen by its name and its content."""

import pathlib
import struct

import numpy as np
import pytest

from dsat_jax.records import UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms, text_form
from tfds_builders.landmark_folder.example_points import POINTS, coco_of, csv_of, write


def test_a_pts_file_is_read_when_its_face_is(tmp_path: pathlib.Path):
    (annotation,) = forms.beside(tmp_path, "a.jpg", "a.pts")  # the file does not exist yet
    assert (annotation.picture, annotation.source) == ("a.jpg", "a.pts")
    with pytest.raises(DamagedRecord, match=r"a\.pts: cannot be read"):
        annotation.read()
    write(tmp_path, "a.pts", "1 2\n3 4\n")
    face = annotation.read()
    np.testing.assert_array_equal(face.landmarks, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(face.visibility, [VISIBLE, VISIBLE])
    assert face.box is None


def test_a_damaged_json_file_of_an_image_is_one_damaged_face(tmp_path: pathlib.Path):
    write(tmp_path, "a.json", "{")
    (annotation,) = forms.beside(tmp_path, "a.jpg", "a.json")
    with pytest.raises(DamagedRecord, match=r"^a\.json: not JSON"):
        annotation.read()


PAIRS = [[1.5, 2.25], [3.0, 4.0]]
BINARY = struct.pack("<i4f", 2, 1.5, 2.25, 3, 4)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.pts", "version: 1\nn_points: 2\n{\n1.5, 2.25\n3, 4\n}\n"),
        ("a.pts", BINARY),
        ("a.txt", "a\n1.5 , 2.25\n3 , 4\n"),
        ("a.txt", "1.5 2.25\n3 4\n"),
        ("a.ljson", {"version": 3, "groups": {"LJSON": {"landmarks": {"points": [[2.25, 1.5], [4, 3]]}}}}),
        ("a.ljson", {"version": 2, "labels": [], "landmarks": {"points": [[2.25, 1.5], [4, 3]]}}),
        (
            "a.ljson",
            {
                "version": 1,
                "groups": [{"label": "all", "landmarks": [{"point": [2.25, 1.5]}, {"point": [4, 3]}]}],
            },
        ),
    ],
)
def test_the_same_points_in_the_forms_of_datasets(tmp_path: pathlib.Path, file: str, content: object):
    if isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    else:
        write(tmp_path, file, content)
    (annotation,) = forms.beside(tmp_path, "a.jpg", file)
    np.testing.assert_array_equal(annotation.read().landmarks, PAIRS)
    np.testing.assert_array_equal(annotation.read().visibility, [VISIBLE, VISIBLE])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.pts", "version: 1\nn_points: 3\n{\n1 2\nnan nan\n5 6\n}\n"),
        ("a.pts", "1 2\n\nNaN NaN\n5 6"),
        ("a.txt", "a\n1 , 2\nnan , nan\n5 , 6\n"),
        ("a.ljson", {"version": 2, "landmarks": {"points": [[2, 1], [None, None], [6, 5]]}}),
    ],
)
def test_points_without_a_position(tmp_path: pathlib.Path, file: str, content: object):
    write(tmp_path, file, content)
    (annotation,) = forms.beside(tmp_path, "a.jpg", file)
    np.testing.assert_array_equal(annotation.read().landmarks, [[1, 2], [0, 0], [5, 6]])
    np.testing.assert_array_equal(annotation.read().visibility, [VISIBLE, UNKNOWN, VISIBLE])


def test_groups_of_menpo_are_faces(tmp_path: pathlib.Path):
    groups = {name: {"landmarks": {"points": [[y, 1]]}} for name, y in (("left", 2), ("right", 3))}
    write(tmp_path, "a.ljson", {"version": 3, "groups": groups})
    left, right = forms.beside(tmp_path, "a.jpg", "a.ljson")
    assert (left.source, right.source) == ("a.ljson, group left", "a.ljson, group right")
    np.testing.assert_array_equal(right.read().landmarks, [[1, 3]])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.pts", BINARY[:-4], r"^a\.pts, line 1: found .*, expected 2 finite numbers `x y`$"),
        (
            "a.pts",
            struct.pack("<i2f", 1, float("nan"), 2),
            "^a.pts: a binary file of 1 points that are not all fini",
        ),
        ("a.pts", "nan 2\n", r"^a\.pts, line 1: found 'nan 2', expected 2 finite"),
        ("a.txt", "a\n1 2\nb c\n", r"^a\.txt, line 3: found 'b c', expected 2 finite"),
        ("a.ljson", {"version": 2, "landmarks": {"points": [[1, None]]}}, r"^a\.ljson: landmarks: found "),
        (
            "a.ljson",
            {"version": 2, "landmarks": [3]},
            r"^a\.ljson: landmarks: found \[3\], expected 1 x 2 finite",
        ),
        ("a.ljson", {"version": 3, "groups": {"a": 3}}, r"^a\.ljson: found no landmarks"),
        ("a.ljson", {"version": 3, "groups": 3}, r"^a\.ljson: found no landmarks"),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, file: str, content: object, message: str):
    if isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    else:
        write(tmp_path, file, content)
    (annotation,) = forms.beside(tmp_path, "a.jpg", file)
    with pytest.raises(DamagedRecord, match=message):
        annotation.read()


def test_texts_of_helen_name_their_image(tmp_path: pathlib.Path):
    write(tmp_path, "annotation/1.txt", "a\n1 , 2\n")
    write(tmp_path, "annotation/2.txt", "c\n1 , 2\n")
    write(tmp_path, "notes.txt", "some words")
    files = ["annotation/1.txt", "annotation/2.txt", "notes.txt", "absent.txt"]
    (annotation,) = text_form.by_first_line(tmp_path, files, ["train/a.jpg", "train/b.jpg"])
    assert (annotation.picture, annotation.source) == ("a.jpg", "annotation/1.txt")
    np.testing.assert_array_equal(annotation.read().landmarks, [[1, 2]])


@pytest.mark.parametrize(
    ("file", "content", "source"),
    [
        ("a.csv", csv_of({"anna/0.jpg": POINTS}), "a.csv, line 2"),
        ("a.json", {"anna/0.jpg": POINTS.tolist()}, "a.json, anna/0.jpg"),
        ("a.json", coco_of({"anna/0.jpg": [*np.c_[POINTS, [2] * 5].ravel()]}), "a.json, annotation 0"),
    ],
)
def test_one_file_has_the_form_of_its_content(
    tmp_path: pathlib.Path, file: str, content: object, source: str
):
    write(tmp_path, file, content)
    (annotation,) = forms.in_one_file(tmp_path, file)
    assert (annotation.picture, annotation.source) == ("anna/0.jpg", source)
    np.testing.assert_array_equal(annotation.read().landmarks, POINTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.json: no such file of points"),
        ("[]", "a.json: found [], expected COCO's form"),
        ("{", "not JSON"),
    ],
)
def test_a_file_in_no_form_is_refused(tmp_path: pathlib.Path, content: str | None, message: str):
    if content is not None:
        write(tmp_path, "a.json", content)
    with pytest.raises(BuildError) as error:
        list(forms.in_one_file(tmp_path, "a.json"))
    assert message in str(error.value)
