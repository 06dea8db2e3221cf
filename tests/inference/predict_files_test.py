"""`--mode=predict`: results of images, and files that are skipped."""

import pathlib
import subprocess
import sys
import urllib.request

import cv2
import numpy as np
import pytest
from drawn_faces import DotFinder, picture, write_video
from mjpeg_stream import MjpegStream

from dsat_jax.inference import predict_files
from dsat_jax.inference.detectors import mtcnn

ROOT = pathlib.Path(__file__).parents[2]


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
    monkeypatch.setattr(
        predict_files.Predictor, "from_run", lambda path, detector, scheme: DotFinder().predictor
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
    printed = capsys.readouterr()
    assert [line.split("\t")[1:] for line in printed.out.splitlines()] == [
        ["face 0", "score -", "box 20 30 52 62", f"-> {out}/face_landmarks.jpg"]
    ]
    assert "notes.jpg is not an image that can be read" in printed.err
    assert "dark.png: no face found" in printed.err
    assert "images: 3, faces: 1, without a face: 1, unreadable: 1;" in printed.err
    assert "\r" not in printed.err  # no progress bar outside of a terminal


def test_small_faces_that_were_not_looked_for_are_spoken_of_once(photos, monkeypatch, tmp_path, capsys):
    """The limit is 20 pixels of an image of 1024: 20 / 1024 * 5120 = 100."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(photos / name), np.zeros((40, 5120 if name == "a.png" else 3000, 3), np.uint8))
    predictor = DotFinder().predictor
    predictor._find_faces = mtcnn.FaceDetector()
    monkeypatch.setattr(predict_files.Predictor, "from_run", lambda path, detector, scheme: predictor)
    predict_files.predict_files(photos, [str(photos)], tmp_path / "out", predict_files.Options())
    (note,) = [line for line in capsys.readouterr().err.splitlines() if "were not looked for" in line]
    assert note.startswith(
        "1 of 5 images are large: faces of less than 100 pixels were not looked for; cut an"
    )


def test_boxes_of_a_file_take_the_place_of_the_detector(photos, made_predictor, tmp_path):
    (tmp_path / "boxes.json").write_text('{"dark.png": [[20, 30, 60, 70]]}')
    options = predict_files.Options(boxes=str(tmp_path / "boxes.json"))
    counts = predict_files.predict_files(photos, [f"{photos}/*.png"], tmp_path / "out", options)
    assert counts["faces"] == counts["without a face"] == 1
    assert (tmp_path / "out" / "dark.pts").exists()


def test_files_of_which_none_can_be_read_are_an_error(photos, made_predictor, tmp_path):
    with pytest.raises(ValueError, match="could read none of 1 file"):
        predict_files.predict_files(photos, [f"{photos}/*.jpg"], tmp_path / "out", predict_files.Options())


def test_every_face_has_a_line(made_predictor, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/two.png"), picture((20, 30), (100, 90))[..., ::-1])
    predict_files.predict_files(
        tmp_path, [str(tmp_path / "photos")], tmp_path / "out", predict_files.Options()
    )
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(line[1], line[3]) for line in lines] == [
        ("face 0", "box 20 30 52 62"),
        ("face 1", "box 100 90 132 122"),
    ]


def test_a_video_has_a_line(made_predictor, tmp_path, capsys):
    film = write_video(tmp_path / "film.mp4", [picture((20, 30))] * 3)
    counts = predict_files.predict_files(tmp_path, [str(film)], tmp_path / "out", predict_files.Options())
    assert dict(counts) == {"faces": 3}
    out, err = capsys.readouterr()
    assert out == f"{film}\tframes 3\tdifferent faces 1\t-> {tmp_path}/out/film_landmarks.mp4\n"
    assert err == ""


def test_a_stream_has_a_line_and_its_page_ends_with_it(made_predictor, tmp_path, capsys):
    with MjpegStream([picture((20, 30))] * 10) as stream:
        options = predict_files.Options(show=0)
        predict_files.predict_files(tmp_path, [stream.url], tmp_path / "out", options)
    out, err = capsys.readouterr()
    name, frames, faces, written = out.rstrip("\n").split("\t")
    assert (name, faces) == (stream.url, "different faces 1")
    assert 1 <= int(frames.removeprefix("frames ")) <= 10
    assert pathlib.Path(written.removeprefix("-> ")).parent == tmp_path / "out"
    url = err.split("page: ")[1].split()[0]
    with pytest.raises(OSError, match="Connection refused"):
        urllib.request.urlopen(url)


def test_images_need_neither_flax_nor_what_only_videos_need():
    """Each would delay the first face of a photograph."""
    code = "import sys; import dsat_jax.inference.predict_files; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    unneeded = {
        "flax",
        "dsat_jax.inference.live_page",
        "dsat_jax.models",
        "dsat_jax.inference.explain",
        "dsat_jax.inference.video",
    }
    assert unneeded & set(result.stdout.split()) == set()
