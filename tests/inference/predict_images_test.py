"""Images of a prediction: files and standard input."""

import io
import pathlib

import cv2
import numpy as np
import pytest
from drawn_faces import DotFinder, picture

from dsat_jax.inference import predict_images
from dsat_jax.inference.options import Options


class Stdin:
    """Standard input with some bytes."""

    def __init__(self, data: bytes, is_terminal: bool = False):
        self.buffer, self.isatty = io.BytesIO(data), lambda: is_terminal


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def test_standard_input_is_an_image_called_stdin(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", Stdin(png(picture((20, 30)))))
    [source] = predict_images.sources([], True, tmp_path, tmp_path)
    assert (source.file, source.stem) == (pathlib.Path("stdin"), tmp_path / "stdin")
    np.testing.assert_array_equal(source.read(), picture((20, 30)))


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (Stdin(b""), "standard input is not an image that can be read: 0 bytes that do not decode"),
        (Stdin(b"no image"), "standard input is not an image that can be read: 8 bytes"),
        (Stdin(png(picture())[:-50]), "standard input is not an image that can be read"),
        (
            Stdin(b"\x00\x00\x00\x18ftypmp42" + bytes(600)),
            "standard input is a video, expected an image: save",
        ),
        (Stdin(b"", is_terminal=True), "standard input is a terminal, expected an image"),
    ],
)
def test_other_contents_of_standard_input_are_refused(stdin, message, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(ValueError, match=message):
        predict_images.sources([], True, tmp_path, tmp_path)[0].read()


def test_a_file_called_stdin_has_the_results_of_standard_input(tmp_path):
    files = [tmp_path / "stdin.jpg", tmp_path / "stdout.jpg"]
    with pytest.raises(ValueError, match=r"stdin\.jpg and standard input would both write the results"):
        predict_images.sources(files, True, tmp_path / "out", tmp_path)
    assert len(predict_images.sources(files[1:], True, tmp_path / "out", tmp_path)) == 2


def test_boxes_of_standard_input_are_those_of_stdin(tmp_path):
    (tmp_path / "boxes.json").write_text('{"stdin": [[20, 30, 52, 62]]}')
    images = predict_images.sources([], True, tmp_path, tmp_path)
    find = predict_images.box_finder(Options(boxes=str(tmp_path / "boxes.json")), images)
    found = find(DotFinder().predictor, images[0].file, picture())
    assert found.boxes.tolist() == [[20, 30, 52, 62]]


@pytest.mark.parametrize(("largest_first", "expected"), [(False, [20, 100]), (True, [100, 20])])
def test_faces_are_ordered_by_place_or_by_size(largest_first, expected):
    predictor = DotFinder().predictor
    find_dots = predictor._find_faces

    def find_faces(image):
        detections = find_dots(image)
        detections.boxes[1, 2:] += 10  # the right face is larger
        return detections

    predictor._find_faces = find_faces
    find = predict_images.box_finder(Options(largest_first=largest_first), [])
    boxes = find(predictor, pathlib.Path("a.png"), picture((20, 30), (100, 40))).boxes
    np.testing.assert_allclose(boxes[:, 0], expected, atol=0.5)
