"""`--mode=predict`: results of images, and files that are skipped."""

import cv2
import numpy as np
import pytest
from drawn_faces import DotFinder, picture

from dsat_jax import geometry
from dsat_jax.inference import predict_files, predictor, trained_network


@pytest.fixture
def photos(tmp_path):
    """A folder with an image of a face, an image without one, and a text file with the suffix of an image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "face.png"), picture((20, 30))[..., ::-1])
    cv2.imwrite(str(folder / "dark.png"), np.zeros((160, 240, 3), np.uint8))
    (folder / "notes.jpg").write_text("no image")
    return folder


@pytest.fixture
def made_predictor(monkeypatch):
    """`predict_files` with the predictor of `DotFinder` in place of a trained network."""
    monkeypatch.setattr(trained_network, "load", lambda path: None)
    monkeypatch.setattr(
        predict_files.Predictor, "from_network", lambda network, detector: DotFinder().predictor
    )


def test_images_are_predicted_and_unreadable_files_skipped(photos, made_predictor, tmp_path, capsys):
    out = tmp_path / "out"
    counts = predict_files.predict_files(photos, [str(photos)], out, predict_files.Options())
    assert dict(counts) == {"faces": 1, "without a face": 1, "unreadable": 1}
    assert sorted(path.name for path in out.iterdir()) == [
        "dark.json",
        "dark_landmarks.jpg",
        "face.json",
        "face.pts",
        "face_landmarks.jpg",
        "landmarks.csv",
    ]
    assert (out / "landmarks.csv").read_text().splitlines()[1].startswith("face.png,0,")
    printed = "".join(capsys.readouterr())
    assert "notes.jpg is not an image that can be read" in printed
    assert "dark.png: no face found" in printed
    assert "images: 3, faces: 1, without a face: 1, unreadable: 1;" in printed


def test_boxes_of_a_file_take_the_place_of_the_detector(photos, made_predictor, tmp_path):
    (tmp_path / "boxes.json").write_text('{"dark.png": [[20, 30, 60, 70]]}')
    options = predict_files.Options(boxes=str(tmp_path / "boxes.json"))
    counts = predict_files.predict_files(photos, [f"{photos}/*.png"], tmp_path / "out", options)
    assert counts["faces"] == counts["without a face"] == 1
    assert (tmp_path / "out" / "dark.pts").exists()


def test_files_of_which_none_can_be_read_are_an_error(photos, made_predictor, tmp_path):
    with pytest.raises(ValueError, match="none of the 1 files could be read"):
        predict_files.predict_files(photos, [f"{photos}/*.jpg"], tmp_path / "out", predict_files.Options())


def test_options_that_do_not_fit_are_refused(photos, tmp_path):
    both = predict_files.Options(whole_image=True, detector="yunet.onnx")
    with pytest.raises(ValueError, match="--whole-image and --detector exclude each other"):
        predict_files.predict_files(photos, [str(photos)], tmp_path / "out", both)
    (photos / "film.mp4").touch()
    with pytest.raises(ValueError, match=r"--explain is for images, and .*film\.mp4 is a video"):
        predict_files.predict_files(
            photos, [str(photos)], tmp_path / "out", predict_files.Options(explain=True)
        )
    smooth = predict_files.Options(smooth=True)
    with pytest.raises(ValueError, match="--smooth is for videos"):
        predict_files.predict_files(photos, [f"{photos}/*.png"], tmp_path / "out", smooth)


def test_a_truncated_image_is_refused_and_not_filled_with_grey(photos):
    content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))[1]
    (photos / "cut.jpg").write_bytes(content[: len(content) // 2].tobytes())
    with pytest.raises(ValueError, match=r"cut\.jpg is not an image that can be read: .* do not decode"):
        predictor.read_image(photos / "cut.jpg")


def test_the_crop_of_the_whole_image_box_is_the_whole_image():
    image = np.zeros((101, 101, 3), np.uint8)
    matrix = geometry.crop_matrix(predict_files.whole_image_boxes(image, 0.125)[0], 64, 0.125)
    np.testing.assert_allclose(
        geometry.transform_points(matrix, np.array([[0, 0], [100, 100]])), [[0, 0], [63, 63]], atol=1e-9
    )


@pytest.mark.parametrize(("shape", "count"), [((1, 5000, 3), 0), ((5000, 1, 3), 0), ((2, 6000, 3), 1)])
def test_an_image_of_one_row_or_column_has_no_box(shape, count):
    assert predict_files.whole_image_boxes(np.zeros(shape, np.uint8), 0.125).shape == (count, 4)
