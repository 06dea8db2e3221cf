"""COCO's keypoints: visibility, boxes, and annotations without points or image."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import coco_form
from tfds_builders.landmark_folder.annotation import Annotation

IMAGES = [{"id": 5, "file_name": "a.jpg"}, {"id": "six", "file_name": "b.jpg"}]


def annotations(*entries: dict, images: list[dict] = IMAGES) -> list[Annotation]:
    content = {"images": images, "annotations": entries}
    return list(coco_form.annotations(content, pathlib.Path("raw/a.json"), "a.json"))


def test_keypoints_visibility_and_box():
    (annotation,) = annotations(
        {"id": 7, "image_id": "six", "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0], "bbox": [1, 2, 8, 9]}
    )
    assert (annotation.picture, annotation.source) == ("b.jpg", "a.json, annotation 7")
    face = annotation.read()
    np.testing.assert_array_equal(face.landmarks, [[1, 2], [3, 4], [0, 0]])
    np.testing.assert_array_equal(face.visibility, [VISIBLE, OCCLUDED, UNKNOWN])
    np.testing.assert_array_equal(face.box, [1, 2, 9, 11])  # x, y, width, height


@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0]])
def test_boxes_of_programs_that_know_points_alone_are_none(bbox: object):
    (annotation,) = annotations({"image_id": 5, "keypoints": [1, 2, 2], "bbox": bbox})
    assert annotation.read().box is None


def test_the_face_of_a_whole_body_is_read():
    body = {"image_id": 5, "keypoints": [0] * 51, "num_keypoints": 0, "bbox": [0, 0, 90, 90]}
    face = {"face_kpts": [1.5, 2, 1, 3, 4, 2, 0, 0, 0], "face_box": [1, 2, 8, 9], "face_valid": True}
    (annotation,) = annotations({**body, **face}, {**body, **face, "face_valid": False})
    read = annotation.read()
    np.testing.assert_array_equal(read.landmarks, [[1.5, 2], [3, 4], [0, 0]])
    np.testing.assert_array_equal(read.visibility, [VISIBLE, VISIBLE, UNKNOWN])
    np.testing.assert_array_equal(read.box, [1, 2, 9, 11])


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("Human face", "person"), [1]), (("dog", "person"), [1, 2]), (("face", "face of a cat"), [1, 2])],
)
def test_faces_beside_other_categories_are_chosen_by_their_name(names: tuple[str, str], expected: list[int]):
    content = {
        "images": IMAGES,
        "annotations": [{"image_id": 5, "category_id": i, "keypoints": [i, 2, 2]} for i in (1, 2)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }
    found = coco_form.annotations(content, pathlib.Path("raw/a.json"), "a.json")
    assert [annotation.read().landmarks[0, 0] for annotation in found] == expected


@pytest.mark.parametrize("fields", [{}, {"keypoints": []}, {"keypoints": [0, 0, 0], "num_keypoints": 0}])
def test_annotations_without_keypoints_are_ignored(fields: dict):
    assert annotations({"image_id": 5, "bbox": [1, 2, 3, 4], **fields}) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_id": 9}, "a.json, annotation 0: no image has the id 9"),
        ({"keypoints": 3}, "a.json, annotation 0: keypoints: found 3, expected [x, y, visibility, ...]"),
        ({"keypoints": [1, 2, 3]}, "a.json, annotation 0: keypoints with a visibility other than 0, 1 and 2"),
        (
            {"keypoints": [1, 2, 2, 3]},
            "a.json, annotation 0: keypoints: found [1, 2, 2, 3], expected 3 finite numbers",
        ),
        ({"bbox": [1]}, "a.json, annotation 0: bbox: found [1], expected 4 finite numbers"),
    ],
)
def test_a_damaged_annotation_is_one_damaged_face(fields: dict, message: str):
    damaged, good = annotations(
        {"image_id": 5, "keypoints": [1, 2, 2], **fields}, {"image_id": 5, "keypoints": [1, 2, 2]}
    )
    with pytest.raises(DamagedRecord) as error:
        damaged.read()
    assert str(error.value) == message
    np.testing.assert_array_equal(good.read().landmarks, [[1, 2]])


def test_images_with_the_same_id_are_refused():
    with pytest.raises(BuildError, match=r"^raw/a\.json: several images have the id 5$"):
        annotations(images=[IMAGES[0], {"id": 5, "file_name": "c.jpg"}])
