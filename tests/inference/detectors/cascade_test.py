"""The cascade: drawn faces are found, boxes are in pixels of the original image."""

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.inference.detectors import cascade
from dsat_jax.inference.detectors.cascade import FaceDetector
from tfds_builders.synthetic_faces.drawing import draw_face


def test_drawn_faces_are_found_where_their_landmarks_are():
    """At least 6 of 12 drawn faces are found with an intersection over union above one half."""
    detector, overlaps = FaceDetector(), []
    for index in range(12):
        drawing = draw_face(seed=0, split=1, index=index)
        truth = geometry.box_of_points(drawing.points)
        overlaps += geometry.box_overlaps(detector(drawing.image).boxes, truth[None])[:, 0].tolist()
    assert np.sum(np.array(overlaps) > 0.5) >= 6


@pytest.mark.parametrize("shape", [(1, 5000, 3), (5000, 1, 3), (2, 6000, 3)])
def test_thin_images_have_no_face(shape):
    assert FaceDetector()(np.zeros(shape, np.uint8)).boxes.shape == (0, 4)


class FixedCascade:
    """Stand-in for OpenCV's cascade with two detections in an image of a known size."""

    def __init__(self, size):
        self.size = size

    def detectMultiScale(self, grey, **settings):  # noqa: N802 - OpenCV's name
        assert grey.shape[::-1] == self.size
        return np.array([[500, 100, 100, 100], [20, 40, 200, 200]])


@pytest.mark.parametrize(("width", "height", "size"), [(2048, 1024, (1024, 512)), (800, 600, (800, 600))])
def test_boxes_are_in_pixels_of_the_original_image_left_to_right(width, height, size):
    detector = FaceDetector()
    detector._cascade = FixedCascade(size)
    detections = detector(np.zeros((height, width, 3), np.uint8))
    left, right = detections.boxes
    scale = width / size[0]
    expected = np.array(cascade._landmark_box(20, 40, 200, 200))
    np.testing.assert_allclose(left, (expected + 0.5) * scale - 0.5)
    assert left[0] < right[0]
    assert detections.rolls is detections.scores is detections.points is None


def test_the_box_of_a_detection_worked_out_by_hand():
    """A square of 100 px: centre (59.5, 69.5), shifted down by 15, sides of 88 and 85."""
    np.testing.assert_allclose(cascade._landmark_box(10, 20, 100, 100), [15.5, 42, 103.5, 127])
