"""Label Studio's exports: tasks with keypoints in percent, images by the end of their address."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.annotation import Annotation
from tfds_builders.landmark_folder.example_points import write

POINT = {"x": 25.0, "y": 50.5, "width": 0.5, "keypointlabels": ["kp-1"]}
SIZE = {"original_width": 160, "original_height": 120, "image_rotation": 0}


def full(
    *points: dict, address: str = "/data/upload/1/0a1b2c3d-a.jpg", **fields: object
) -> dict[str, object]:
    regions = [
        {"type": "keypointlabels", "from_name": "kp-1", **SIZE, **fields, "value": {**POINT, **point}}
        for point in points
    ]
    box = {"type": "rectanglelabels", "value": {"x": 1, "y": 2, "width": 3, "height": 4}}
    attempts = [
        {"result": regions * 2, "was_cancelled": True},
        {"result": [box, *regions], "was_cancelled": False},
    ]
    return {"id": 7, "annotations": attempts, "predictions": [], "data": {"title": "Anna", "img": address}}


def annotations(root: pathlib.Path, *tasks: dict) -> list[Annotation]:
    write(root, "a.json", list(tasks))
    return list(forms.in_one_file(root, "a.json"))


def test_the_keypoints_of_a_task(tmp_path: pathlib.Path):
    (annotation,) = annotations(tmp_path, full({}, {"x": 75, "keypointlabels": ["kp-2"]}))
    assert (annotation.picture, annotation.other_name) == ("0a1b2c3d-a.jpg", "a.jpg")
    face = annotation.read()
    assert (annotation.named, face.names, face.unit) == (True, ["kp-1", "kp-2"], "percent")
    np.testing.assert_array_equal(face.landmarks, [[25, 50.5], [75, 50.5]])


def test_points_of_different_regions_are_different_faces(tmp_path: pathlib.Path):
    task = full({}, {})
    for number, region in enumerate(task["annotations"][1]["result"][1:]):
        region["parentID"] = f"box {number}"
    first, second = annotations(tmp_path, task)
    assert (first.source, second.source) == ("a.json, task 7, face 0", "a.json, task 7, face 1")


@pytest.mark.parametrize("image", ["/data/local-files/?d=anna/0.jpg", "s3://bucket/x/0.jpg?versionId=3"])
def test_the_short_export_and_addresses(tmp_path: pathlib.Path, image: str):
    (annotation,) = annotations(
        tmp_path, {"id": 1, "image": image, "kp-1": [{**POINT, **SIZE}], "annotator": 1}
    )
    assert annotation.picture == ("anna/0.jpg" if "?d=" in image else "0.jpg")
    np.testing.assert_array_equal(annotation.read().landmarks, [[25, 50.5]])


def test_tasks_without_keypoints_are_ignored(tmp_path: pathlib.Path):
    assert annotations(tmp_path, full(), {"id": 1, "image": "a.jpg"}) == []


def test_a_task_without_an_image_is_refused(tmp_path: pathlib.Path):
    with pytest.raises(BuildError, match=r"a\.json, task 7 has no address of an image"):
        annotations(tmp_path, full({}, address="/data/upload/1/a.mp4"))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (full({"keypointlabels": []}), "a.json, task 7: keypointlabels: found [], expected one name"),
        (full({"x": None}), "a.json, task 7, point 'kp-1': found [None, 50.5], expected 2 finite numbers"),
        (full({}, image_rotation=90), "the image is turned in Label Studio, expected image_rotation 0"),
        (
            full({}, {}),
            "2 points have the name 'kp-1', expected another name for each point of a face, and a region",
        ),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, task: dict, message: str):
    (annotation,) = annotations(tmp_path, task)
    with pytest.raises(DamagedRecord) as error:
        annotation.read()
    assert message in str(error.value)
