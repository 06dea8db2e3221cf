"""The form of a file is chosen by its name and its content."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms
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
