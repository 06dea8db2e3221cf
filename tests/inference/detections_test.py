"""Detections: order and choice of faces, and boxes from five points."""

import numpy as np
import pytest

from dsat_jax import five_points
from dsat_jax.errors import UserError
from dsat_jax.inference import detections
from dsat_jax.inference.detections import Detections

# Widths 10, 40 and 20; centres at x = 55, 30 and 90.
BOXES = np.array([[50, 0, 60, 10], [10, 0, 50, 40], [80, 0, 100, 20]], float)


def made_detections() -> Detections:
    points = np.arange(30, dtype=float).reshape(3, 5, 2)
    return Detections(BOXES, np.array([0.1, 0.2, 0.3]), np.array([0.7, 0.8, 0.9]), points)


@pytest.mark.parametrize(("order", "expected"), [("left_to_right", [1, 0, 2]), ("largest_first", [1, 2, 0])])
def test_all_values_of_a_face_are_ordered_with_its_box(order, expected):
    ordered = getattr(made_detections(), order)()
    np.testing.assert_array_equal(ordered.boxes, BOXES[expected])
    np.testing.assert_array_equal(ordered.rolls, np.array([0.1, 0.2, 0.3])[expected])
    np.testing.assert_array_equal(ordered.scores, np.array([0.7, 0.8, 0.9])[expected])
    np.testing.assert_array_equal(ordered.points[:, 0, 0], np.array([0, 10, 20])[expected])


def test_absent_values_stay_absent():
    chosen = Detections(BOXES).chosen([2])
    np.testing.assert_array_equal(chosen.boxes, BOXES[2:])
    assert chosen.rolls is chosen.scores is chosen.points is None


def test_no_faces_can_be_chosen_and_ordered():
    nobody = made_detections().chosen([])
    assert len(nobody) == 0
    assert nobody.points.shape == (0, 5, 2)
    for empty in (nobody, detections.NONE, Detections(np.empty((0, 4)))):
        assert len(empty.left_to_right()) == len(empty.largest_first()) == 0


def test_boxes_and_rolls_are_those_of_the_five_points():
    """The template, twice as large at (300, 100), and turned by a right angle: (x, y) is at (-y, x)."""
    upright = 2 * five_points.TEMPLATE + [300, 100]
    turned = np.stack([200 - five_points.TEMPLATE[:, 1], five_points.TEMPLATE[:, 0]], axis=-1)
    found = detections.from_points(np.stack([upright, turned]), np.array([0.9, 0.8], np.float32))
    np.testing.assert_allclose(found.rolls, [0, np.pi / 2], atol=1e-9)
    np.testing.assert_allclose(found.scores, [0.9, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(found.points, [upright, turned])
    large, small = found.boxes[:, 2:] - found.boxes[:, :2]
    np.testing.assert_allclose(large, 2 * small)
    for box, points in zip(found.boxes, found.points, strict=True):
        assert (box[:2] < points).all()
        assert (points < box[2:]).all()


def test_no_points_give_no_detections():
    assert detections.from_points(np.empty((0, 5, 2)), np.empty(0)) is detections.NONE
    assert detections.NONE.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"boxes": [1, 2, 3, 4]}, r"boxes have the shape \[4\] for 4 faces, expected \[faces, 4\]"),
        (
            {"boxes": np.ones((2, 4)), "rolls": [0.1]},
            r"rolls have the shape \[1\] for 2 faces, expected \[faces\]",
        ),
        (
            {"boxes": np.ones((1, 4)), "points": np.ones((1, 10))},
            r"points have the shape \[1, 10\] for 1 faces, expected \[faces, 5, 2\]",
        ),
    ],
)
def test_fields_of_another_shape_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Detections(**fields)


def test_lists_are_arrays():
    detections = Detections([[3, 0, 4, 1], [0, 0, 1, 1]], scores=[0.5, 1])
    np.testing.assert_array_equal(detections.left_to_right().scores, [1.0, 0.5])


def test_boxes_of_rolled_detections_have_sides_along_the_image():
    rolled = Detections(np.array([[0.0, 10.0, 40.0, 30.0]]), rolls=np.array([np.pi / 2]))
    np.testing.assert_allclose(rolled.bounds, [[10.0, 0.0, 30.0, 40.0]], atol=1e-9)
