"""The results that the demo shows, without a browser; `demo_page_test.py` opens the page."""

import dataclasses
import json
import pathlib
import sys
import tomllib

import cv2
import numpy as np
import pytest

from dsat_jax import drawing, geometry, schemes
from dsat_jax.inference import head_pose
from dsat_jax.inference.landmarks import Face
from examples import demo, demo_results

ROOT = pathlib.Path(__file__).parents[2]
PORTRAIT = ROOT / "docs" / "astronaut.jpg"


def made_face(open_channels: np.ndarray | None = None, shift: float = 0.0) -> Face:
    """A face whose 68 landmarks are on a diagonal from (20, 20) to (87, 87), moved to the right."""
    landmarks = np.stack([np.arange(20.0, 88.0) + shift, np.arange(20.0, 88.0)], axis=1)
    return Face(
        box=np.array([20.0, 20.0, 87.0, 87.0]),
        landmarks=landmarks,
        confidence=0.5,
        open_channels=open_channels,
        scheme=schemes.W300_68,
        roll=np.deg2rad(-12.34),
        score=0.98765,
    )


def turned_to_the_right(face: Face, yaw: float) -> Face:
    """The face with the landmarks of the mean head of the head pose, seen from afar, turned by `yaw` and its roll."""
    scheme, landmarks = face.scheme, face.landmarks.copy()
    six = [*scheme.eye_corners, scheme.nose_tip, *scheme.mouth_corners, scheme.chin]
    x, y, z = head_pose.MODEL.T
    turned_x = (
        np.cos(yaw) * x - np.sin(yaw) * z
    )  # z points into the head: the nose moves to the right of the eyes
    rolled = geometry.roll_matrix(face.roll, np.zeros(2))
    landmarks[six] = geometry.transform_points(rolled, np.stack([turned_x, y], axis=1))
    return dataclasses.replace(face, landmarks=landmarks)


@pytest.fixture(scope="module")
def two_portraits(tmp_path_factory) -> pathlib.Path:
    """An image file with the portrait and, to the right of it, its mirror image."""
    file = tmp_path_factory.mktemp("photographs") / "two.portraits.png"
    image = cv2.imread(str(PORTRAIT))
    cv2.imwrite(str(file), np.concatenate([image, image[:, ::-1]], axis=1))
    return file


@pytest.fixture(scope="module", params=["dsat-300w", "lotr-300w"])
def analysis(request, two_portraits) -> demo_results.Analysis:
    text, analysis = demo_results.analyse(str(two_portraits), request.param)
    assert text == "2 faces with 68 landmarks each."
    return analysis


def test_landmarks_are_where_the_portrait_has_its_green_lines(analysis):
    image = cv2.imread(str(PORTRAIT)).astype(int)
    blue, green, red = np.moveaxis(image, -1, 0)
    rows, columns = np.nonzero((green > 180) & (blue < 130) & (red < 130))
    left, right = (face.landmarks for face in analysis.faces)
    expected = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    np.testing.assert_allclose([*left.min(axis=0), *left.max(axis=0)], expected, atol=20)
    mirrored = [
        2 * image.shape[1] - 1 - expected[2],
        expected[1],
        2 * image.shape[1] - 1 - expected[0],
        expected[3],
    ]
    np.testing.assert_allclose([*right.min(axis=0), *right.max(axis=0)], mirrored, atol=20)


def test_files_contain_every_face(analysis, two_portraits, tmp_path):
    paths = [pathlib.Path(path) for path in demo_results.write_files(analysis, two_portraits, tmp_path)]
    assert [path.name for path in paths] == [
        "two.portraits.json", "two.portraits.pts", "two.portraits.face1.pts"
    ]  # fmt: skip
    contents = json.loads(paths[0].read_text())
    assert contents["image"] == "two.portraits.png"
    for face, in_json, path in zip(analysis.faces, contents["faces"], paths[1:], strict=True):
        np.testing.assert_allclose(in_json["landmarks"], face.landmarks, atol=1e-3)
        lines = path.read_text().splitlines()[3:-1]
        points = np.array([line.split() for line in lines], float)
        np.testing.assert_allclose(points, face.landmarks + 1, atol=1e-4)  # .pts files count from 1


def test_each_face_has_a_sheet_of_its_own(analysis):
    (left, kind), (right, _) = (demo_results.explain(analysis, number) for number in (0, 1))
    assert kind == {"dsat-300w": "heatmaps", "lotr-300w": "attention"}[analysis.name]
    assert left.dtype == np.uint8
    assert left.shape == right.shape
    assert left.shape[2] == 3
    # The first tile is the crop of the face: that of the right face is the mirror image of that of the left one.
    tiles = [cv2.GaussianBlur(sheet[:300, :392], (0, 0), 8).astype(float) for sheet in (left, right)]
    same, mirrored = (np.abs(tiles[0] - other).mean() for other in (tiles[1], tiles[1][:, ::-1]))
    assert mirrored < 0.7 * same


def test_an_image_without_a_face(tmp_path):
    file = tmp_path / "grey.png"
    cv2.imwrite(str(file), np.full((120, 160, 3), 128, np.uint8))
    text, analysis = demo_results.analyse(str(file), "dsat-300w")
    assert text.startswith("No face was found")
    assert analysis is None


def test_a_file_that_is_no_image_is_named_without_its_folder(tmp_path):
    file = tmp_path / "notes.jpg"
    file.write_text("no image")
    text, analysis = demo_results.analyse(str(file), "dsat-300w")
    assert text.startswith("notes.jpg is not an image that can be read")
    assert str(tmp_path) not in text
    assert "\n" not in text
    assert analysis is None


def test_no_image_no_message():
    assert demo_results.analyse(None, "dsat-300w") == ("", None)
    assert demo_results.draw_frame(None, "dsat-300w") == (None, "")


def test_a_network_is_loaded_once():
    assert demo_results.network("dsat-300w") is demo_results.network("dsat-300w")
    assert demo_results.network("dsat-300w").predictor.scheme.num_points == 68


def test_the_table_has_a_row_per_face():
    yaw = np.deg2rad(30)
    first = made_face(np.array([True, False, True]))
    rows = demo_results.table([turned_to_the_right(face, yaw) for face in (first, made_face())])
    headers = ["face", *demo_results.COLUMNS]
    row, other = (dict(zip(headers, texts, strict=True)) for texts in rows)
    angle, pitch, roll = (float(row.pop(name).removesuffix("°")) for name in ("yaw", "pitch", "roll"))
    del row["width and height"]  # tested below, on the face that is not turned
    assert angle == pytest.approx(30, abs=0.5)
    assert pitch == pytest.approx(0, abs=0.5)
    assert roll == pytest.approx(-12.34, abs=0.5)
    assert row == {
        "face": "0",
        "detector's score": "0.988",
        "confidence": "0.50",
        "open channels": "2 of 3",
    }
    assert (other["face"], other["open channels"]) == ("1", "-")
    assert demo_results.COLUMNS["width and height"](first) == "67 x 67"


def test_the_gate_has_a_row_per_face_and_a_square_per_channel():
    faces = [made_face(np.array([True, False, True])), made_face(np.array([False, False, True]))]
    drawn = demo_results.draw_gate(faces)
    assert drawn.shape == (48, 84 + 3 * 24, 3)
    centres = drawn[12::24, 84 + 12 :: 24]
    bright = centres.max(axis=-1) > 200
    np.testing.assert_array_equal(bright, [face.open_channels for face in faces])
    assert demo_results.draw_gate([made_face(None)]) is None
    assert demo_results.draw_gate([]) is None


def test_landmarks_are_drawn_on_a_copy():
    image = np.zeros((128, 256, 3), np.uint8)
    faces = [made_face(), made_face(shift=128)]
    drawn = demo_results.draw_faces(image, faces)
    assert not image.any()
    for face in faces:
        columns, rows = face.landmarks.astype(int).T
        np.testing.assert_array_equal(drawn[rows, columns], [drawing.PREDICTED] * 68)
    number_above_the_face = drawn[:16, 20:40]
    assert number_above_the_face.any()
    assert not demo_results.draw_faces(image, faces[:1])[:16, 20:40].any()  # one face needs no number


def test_a_frame_of_the_webcam_is_predicted():
    frame = np.ascontiguousarray(cv2.imread(str(PORTRAIT))[..., ::-1])
    drawn, text = demo_results.draw_frame(frame, "dsat-300w")
    assert text == "1 face with 68 landmarks."
    changed = (drawn != frame).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert columns.min() > 200  # the face is in the middle of the portrait
    assert columns.max() < 500
    assert 150 < rows.min() < rows.max() < 430


def test_without_gradio_the_demo_names_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "")  # main changes it
    assert demo.main([]) == 1
    assert (
        capsys.readouterr().err
        == "error: the demo needs gradio, which is not installed: pip install '.[demo]'\n"
    )


def test_requirements_of_a_space_are_those_of_inference():
    lines = (ROOT / "examples" / "requirements-demo.txt").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]
