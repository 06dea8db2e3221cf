"""JSON of one image: each of its forms, and numbers of a fixed shape."""

import numpy as np
import pytest

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders.landmark_folder import json_form

POINTS = [[1, 2], [3.5, 4]]


@pytest.mark.parametrize(
    "content", [POINTS, {"landmarks": POINTS}, [{"landmarks": POINTS}], {"faces": [{"landmarks": POINTS}]}]
)
def test_all_forms_of_one_face_are_the_same(content: object):
    (annotation,) = json_form.annotations("a.jpg", content, "a.json")
    assert annotation.picture == "a.jpg"
    face = annotation.read()
    np.testing.assert_array_equal(face.landmarks, POINTS)
    np.testing.assert_array_equal(face.visibility, [VISIBLE, VISIBLE])
    assert face.box is None


def test_several_faces_are_named_by_their_number():
    faces = [{"landmarks": POINTS}, {"landmarks": POINTS[::-1], "box": [1, 2, 3, 4]}]
    first, second = json_form.annotations("a.jpg", faces, "a.json")
    assert (first.source, second.source) == ("a.json, face 0", "a.json, face 1")
    np.testing.assert_array_equal(second.read().landmarks, POINTS[::-1])
    np.testing.assert_array_equal(second.read().box, [1, 2, 3, 4])
    assert list(json_form.annotations("a.jpg", {"faces": []}, "a.json")) == []


@pytest.mark.parametrize("missing", [None, [None, None]])
def test_a_point_without_a_position_is_unknown(missing: object):
    content = {"landmarks": [missing, *POINTS], "visibility": [VISIBLE, OCCLUDED, VISIBLE]}
    (annotation,) = json_form.annotations("a.jpg", content, "a.json")
    np.testing.assert_array_equal(annotation.read().visibility, [UNKNOWN, OCCLUDED, VISIBLE])
    np.testing.assert_array_equal(annotation.read().landmarks, [[0, 0], *POINTS])


@pytest.mark.parametrize(
    "values", [None, [1], [1, "2"], [1, True], [1, float("nan")], [1, 10**400], [1, [2]], [1, 2, 3]]
)
def test_anything_but_finite_numbers_of_the_shape_is_damage(values: object):
    with pytest.raises(DamagedRecord, match=r"^a\.json: box: found .*, expected 2 finite numbers$"):
        json_form.numbers_of(values, (2,), "a.json: box")


def test_numbers_are_nested_lists():
    np.testing.assert_array_equal(json_form.numbers_of([[1, 2.5]], (1, 2), ""), [[1.0, 2.5]])
