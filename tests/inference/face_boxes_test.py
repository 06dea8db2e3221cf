"""Face boxes from a JSON file of the user."""

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.inference import face_boxes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("[1]", r"found \[1\], expected \{"),
        ('{"a.jpg": [[1, 2, 3]]}', r"found \[\[1, 2, 3\]\] for 'a.jpg', expected"),
        ('{"a.jpg": [1, 2, 3, 4]}', r"found \[1, 2, 3, 4\] for 'a.jpg', expected"),
        ('{"a.jpg": [[1, 2, 3, true]]}', "for 'a.jpg', expected"),
        ('{"a.jpg": "x"}', "found 'x' for 'a.jpg'"),
        ('{"a.jpg": [[5, 5, 1, 9]]}', "expected x_min < x_max"),
        ('{"a.jpg": [], "a.jpg": [[5, 5, 7, 9]]}', "the key 'a.jpg' appears twice"),
    ],
)
def test_bad_box_files_are_refused(tmp_path, text, message):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        face_boxes.read_boxes(path)


def test_a_box_file_is_read_as_arrays_by_name(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"a.jpg": [[5, 5, 17, 9.5], [-1, 0, 20, 30]], "b.jpg": []}')
    boxes = face_boxes.read_boxes(path)
    np.testing.assert_array_equal(boxes["a.jpg"], np.array([[5, 5, 17, 9.5], [-1, 0, 20, 30]]), strict=True)
    assert boxes["b.jpg"].shape == (0, 4)


def test_a_name_belongs_to_exactly_one_image(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"a.jpg": [[5, 5, 17, 9]]}')
    assert list(face_boxes.boxes_for(path, [tmp_path / "a.jpg", tmp_path / "b.jpg"])) == ["a.jpg"]
    with pytest.raises(ValueError, match=r"has boxes for a\.jpg, which are not among the images"):
        face_boxes.boxes_for(path, [tmp_path / "b.jpg"])
    with pytest.raises(ValueError, match="several images have that name"):
        face_boxes.boxes_for(path, [tmp_path / "a.jpg", tmp_path / "more" / "a.jpg"])


def test_boxes_far_outside_the_image_are_refused():
    image = np.zeros((20, 30, 3), np.uint8)
    inside = np.array([[-30.0, 0, 29, 40]])
    face_boxes.check_inside(inside, image, "here")
    for corner, value in ((0, -31), (3, 41), (1, 20), (2, -1)):
        box = inside.copy()
        box[0, corner] = value
        with pytest.raises(ValueError, match=r"here: the box .* is outside the image of 30 x 20 px"):
            face_boxes.check_inside(np.concatenate([inside, box]), image, "here")


def test_the_crop_of_the_whole_image_box_is_the_whole_image():
    image = np.zeros((101, 101, 3), np.uint8)
    matrix = geometry.crop_matrix(face_boxes.whole_image_boxes(image, 0.125)[0], 64, 0.125)
    np.testing.assert_allclose(
        geometry.transform_points(matrix, np.array([[0, 0], [100, 100]])), [[0, 0], [63, 63]], atol=1e-9
    )


@pytest.mark.parametrize(("shape", "count"), [((1, 5000, 3), 0), ((5000, 1, 3), 0), ((2, 6000, 3), 1)])
def test_an_image_of_one_row_or_column_has_no_box(shape, count):
    assert face_boxes.whole_image_boxes(np.zeros(shape, np.uint8), 0.125).shape == (count, 4)
