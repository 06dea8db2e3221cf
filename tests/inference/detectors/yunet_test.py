"""YuNet: the five points of its results, and files of other networks."""

import numpy as np
import pytest

from dsat_jax import five_points
from dsat_jax.inference.detectors import yunet

FACE = np.array([[40, 40], [60, 40], [50, 50], [40, 60], [60, 60]], float)
RIGHT = FACE + np.array([100, 0])


def rows(*faces):
    """YuNet's result: a rectangle that does not count, (x, y) of the five points, and the score."""
    return np.array([[9.0, 9.0, 9.0, 9.0, *np.ravel(points), score] for points, score in faces], np.float32)


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
def test_faces_are_in_pixels_of_the_original_image_left_to_right(width, height, size):
    detector = object.__new__(yunet.FaceDetector)
    detector._network = FixedNetwork(size, rows((RIGHT, 0.75), (FACE, 0.9)))
    found = detector(np.zeros((height, width, 3), np.uint8))
    scale = width / size[0]
    np.testing.assert_allclose(found.points, (np.stack([FACE, RIGHT]) + 0.5) * scale - 0.5, rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.75], rtol=1e-6)
    for box, roll, points in zip(found.boxes, found.rolls, found.points, strict=True):
        assert roll == five_points.roll_of(points)
        np.testing.assert_array_equal(box, five_points.landmark_box(points, roll))
    detector._network = FixedNetwork(size, None)
    assert detector(np.zeros((height, width, 3), np.uint8)).boxes.shape == (0, 4)


def test_each_axis_has_its_own_scale():
    """A reduced side is rounded to whole pixels: 1000 x 3 px become 320 x 1 px."""
    detector = object.__new__(yunet.FaceDetector)
    detector._network = FixedNetwork((320, 1), rows((FACE, 0.9)))
    (points,) = detector(np.zeros((3, 1000, 3), np.uint8)).points
    np.testing.assert_allclose(points, (FACE + 0.5) * [3.125, 3] - 0.5, rtol=1e-6)


def test_files_of_other_networks_are_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"absent\.onnx is not a file, expected the \.onnx file of YuNet"
    ):
        yunet.FaceDetector(tmp_path / "absent.onnx")
    for content in (b"", b"no network at all", np.random.default_rng(0).bytes(4000)):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.onnx: OpenCV cannot read it as ONNX, expected"):
            yunet.FaceDetector(tmp_path / "bad.onnx")
    (tmp_path / "other.onnx").write_bytes(RELU)
    with pytest.raises(ValueError, match=r"other\.onnx: its network has other outputs than YuNet, expected"):
        yunet.FaceDetector(tmp_path / "other.onnx")
