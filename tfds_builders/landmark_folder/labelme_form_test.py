"""labelme's JSON beside an image: points with labels, a face for each group_id."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.annotation import Annotation
from tfds_builders.landmark_folder.example_points import write

# Written by labelme 6.3.1, which puts a number on each line; the rectangle and the last point are added.
BY_LABELME = """{
  "version": "6.3.1",
  "flags": {},
  "shapes": [
    {"label": "1", "points": [[68.726, 123.808]], "shape_type": "point", "flags": {}, "description": "", "group_id": 3,
      "mask": null},
    {"label": "face", "points": [[1, 2], [3, 4]], "shape_type": "rectangle", "flags": {}, "description": "",
      "group_id": null, "mask": null},
    {"label": "0", "points": [[65.522, 101.121]], "shape_type": "point", "flags": {}, "description": "", "group_id": 3,
      "mask": null},
    {"label": "0", "points": [[7, 8]], "shape_type": "point", "flags": {}, "description": "", "group_id": null,
      "mask": null}
  ],
  "imagePath": "a.jpg",
  "imageData": null,
  "imageHeight": 120,
  "imageWidth": 160
}"""


def annotations(root: pathlib.Path, content: object) -> list[Annotation]:
    write(root, "a.json", content)
    return list(forms.beside(root, "a.jpg", "a.json"))


def shapes(**fields: object) -> dict[str, object]:
    return {"shapes": [{"label": "0", "points": [[1, 2]], "shape_type": "point", **fields}]}


def test_each_group_is_a_face_and_other_shapes_are_ignored(tmp_path: pathlib.Path):
    first, second = annotations(tmp_path, BY_LABELME)
    assert (first.picture, first.source, first.named) == ("a.jpg", "a.json, group_id 3", True)
    assert first.read().names == ["1", "0"]
    np.testing.assert_array_equal(first.read().landmarks, [[68.726, 123.808], [65.522, 101.121]])
    np.testing.assert_array_equal(second.read().landmarks, [[7, 8]])


def test_an_image_without_points_has_no_face(tmp_path: pathlib.Path):
    assert annotations(tmp_path, {"shapes": []}) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"shapes": 3}, "a.json: shapes: found 3, expected a list of labelme's shapes"),
        (shapes(group_id=[]), "expected a list of labelme's shapes"),
        (shapes(label=5), "a.json: found the label 5, expected a name"),
        (
            shapes(points=[[1, 2], [3, 4]]),
            "a.json, point '0': found [[1, 2], [3, 4]], expected 1 x 2 finite numbers",
        ),
        (shapes(points=[[1, "2"]]), "expected 1 x 2 finite numbers"),
        (
            {"shapes": shapes()["shapes"] * 2},
            "a.json: 2 points have the name '0', expected another name for each point of a face, and another group_id "
            "for each face of an image",
        ),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, content: object, message: str):
    (annotation,) = annotations(tmp_path, content)
    with pytest.raises(DamagedRecord) as error:
        annotation.read()
    assert message in str(error.value)
