"""Face detectors by name or file, and what is refused."""

import pytest

from dsat_jax.errors import UserError
from dsat_jax.inference import detectors
from dsat_jax.inference.detectors import cascade, mtcnn


def test_detectors_are_made_by_their_names():
    assert isinstance(detectors.make(), mtcnn.FaceDetector)
    assert isinstance(detectors.make("mtcnn", 0.9), mtcnn.FaceDetector)
    assert isinstance(detectors.make("cascade"), cascade.FaceDetector)


def test_a_name_that_is_neither_a_detector_nor_a_file_is_refused(tmp_path):
    for name in ("mtcn", str(tmp_path / "absent.onnx"), str(tmp_path)):
        with pytest.raises(
            FileNotFoundError,
            match=r"neither a face detector \(mtcnn, cascade\) nor a file, expected the \.onnx",
        ):
            detectors.make(name)


def test_a_file_of_another_network_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no network at all")
    with pytest.raises(UserError, match=r"bad\.onnx: OpenCV cannot read it as ONNX"):
        detectors.make(str(tmp_path / "bad.onnx"))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 70, float("nan")])
@pytest.mark.parametrize("name", ["mtcnn", "cascade", "absent.onnx"])
def test_a_threshold_that_is_no_score_is_refused(name, threshold):
    with pytest.raises(UserError, match=r"the face detector is .*, expected a score from 0 to 1"):
        detectors.make(name, threshold)


def test_the_cascade_takes_no_threshold():
    with pytest.raises(UserError, match="cascade has no scores, found a threshold"):
        detectors.make("cascade", 0.5)
