"""YuNet: boxes from its five points, and files of other networks."""

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.inference.detectors import yunet
from tfds_builders.synthetic_faces.drawing import draw_face


def detection(*points):
    return np.array([[9.0, 9.0, 9.0, 9.0, *np.ravel(points), 0.9]])


def test_the_box_of_a_frontal_and_of_a_turned_face_worked_out_by_hand():
    """Eyes and mouth on the corners of a square of 60 px: their spread is sqrt(30^2 + 30^2)."""
    corners = [(70, 70), (130, 70)], [(70, 130), (130, 130)]
    size = 30 * np.sqrt(2)
    box = np.array([100 - 1.62 * size, 100 - 1.36 * size, 100 + 1.62 * size, 100 + 1.82 * size])
    frontal = detection(*corners[0], (100, 105), *corners[1])
    np.testing.assert_allclose(yunet.landmark_boxes(frontal), box[None])
    turned = detection(
        *corners[0], (110, 105), *corners[1]
    )  # the nose 10 px to the right: the jaw shows left
    np.testing.assert_allclose(yunet.landmark_boxes(turned), [box - [11.7, 0, 11.7, 0]])
    assert yunet.landmark_boxes(np.empty((0, 15), np.float32)).shape == (0, 4)


def test_a_mirrored_face_has_the_mirrored_box():
    points = np.random.default_rng(0).uniform(0, 99, (5, 2))
    mirrored = np.array([99, 0]) + points[[1, 0, 2, 4, 3]] * [-1, 1]
    left, right = (yunet.landmark_boxes(detection(*face))[0] for face in (points, mirrored))
    np.testing.assert_allclose(right, [99 - left[2], left[1], 99 - left[0], left[3]])


def test_boxes_fit_drawn_faces():
    """With the five points among the 98 of a drawn face the overlap is as high as on photographs."""
    overlaps = []
    for index in range(8):
        points = draw_face(seed=0, split=1, index=index).points.astype(np.float64)
        eyes = points[60:68].mean(axis=0), points[68:76].mean(axis=0)
        box = yunet.landmark_boxes(detection(*eyes, points[54], points[76], points[82]))[0]
        truth = geometry.box_of_points(points)
        overlaps.append(geometry.box_overlaps(box[None], truth[None])[0, 0])
    assert np.median(overlaps) > 0.8


# A valid .onnx file of another network: ReLU of [1, 3, 320, 320].
RELU = bytes.fromhex(
    "08083a5b0a120a05696e70757412036f7574220452656c751201675a210a05696e70757412180a16080112120a0208010a02"
    "08030a0308c0020a0308c002621f0a036f757412180a16080112120a0208010a0208030a0308c0020a0308c00242040a0010"
    "0d"
)


class FixedNetwork:
    """Stand-in for OpenCV's detector: returns its detections for an image of the expected size."""

    def __init__(self, size, detections):
        self.size, self.detections = size, detections

    def setInputSize(self, size):  # noqa: N802 - OpenCV's name
        assert size == self.size

    def detect(self, image):
        assert image.shape[1::-1] == self.size
        return 1, self.detections


@pytest.mark.parametrize(("width", "height", "size"), [(1280, 960, (320, 240)), (320, 200, (320, 200))])
def test_boxes_are_in_pixels_of_the_original_image_left_to_right(width, height, size):
    left = detection((40, 40), (60, 40), (50, 50), (40, 60), (60, 60))
    right = left + np.r_[np.zeros(4), np.tile([100.0, 0.0], 5), 0]
    detector = object.__new__(yunet.YuNetDetector)
    detector._network = FixedNetwork(size, np.concatenate([right, left]).astype(np.float32))
    boxes = detector(np.zeros((height, width, 3), np.uint8))
    scale = width / size[0]
    expected = yunet.landmark_boxes(np.concatenate([left, right]))
    np.testing.assert_allclose(boxes, (expected + 0.5) * scale - 0.5, rtol=1e-6)
    detector._network = FixedNetwork(size, None)
    assert detector(np.zeros((height, width, 3), np.uint8)).shape == (0, 4)


def test_each_axis_has_its_own_scale():
    """A reduced side is rounded to whole pixels: 1000 x 3 px become 320 x 1 px."""
    detector = object.__new__(yunet.YuNetDetector)
    face = detection((40, 40), (60, 40), (50, 50), (40, 60), (60, 60))
    detector._network = FixedNetwork((320, 1), face.astype(np.float32))
    (box,) = detector(np.zeros((3, 1000, 3), np.uint8))
    (expected,) = yunet.landmark_boxes(face)
    np.testing.assert_allclose(box, (expected + 0.5) * [3.125, 3, 3.125, 3] - 0.5, rtol=1e-6)


def test_files_of_other_networks_are_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"absent\.onnx is not a file, expected the \.onnx file of YuNet"
    ):
        yunet.YuNetDetector(tmp_path / "absent.onnx")
    for content in (b"", b"no network at all", np.random.default_rng(0).bytes(4000)):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.onnx: OpenCV cannot read it as ONNX, expected"):
            yunet.YuNetDetector(tmp_path / "bad.onnx")
    (tmp_path / "other.onnx").write_bytes(RELU)
    with pytest.raises(ValueError, match=r"other\.onnx: its network has other outputs than YuNet, expected"):
        yunet.YuNetDetector(tmp_path / "other.onnx")
