"""Predictions in the formats of labelling programs are read back by landmark_folder to the same points."""

import json
import pathlib

import cv2
import hypothesis
import numpy as np
import pytest
from drawn_faces import SCHEME, DotFinder, picture
from hypothesis import strategies as st

from dsat_jax import schemes
from dsat_jax.inference import label_files, predict_files
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import COFW_29
from tfds_builders import build
from tfds_builders.landmark_folder import forms, point_names

IMAGE = np.zeros((120, 160, 3), np.uint8)
ANNOTATIONS = {"cvat": "annotations.xml", "coco": "annotations.json"}
coordinates = st.lists(st.floats(-50, 5000), min_size=2 * 29, max_size=2 * 29)


def face_at(landmarks: np.ndarray) -> Face:
    return Face(np.array([1.0, 2, 30, 40]), landmarks, None, None, COFW_29)


def read(root: pathlib.Path, label_format: str) -> list[tuple[str, np.ndarray]]:
    """The image and the points of each face, as the builder reads them."""
    if label_format == "labelme":
        found = forms.beside(root, "anna/a.jpg", "anna/a.json")
    else:
        found = forms.in_one_file(root, ANNOTATIONS[label_format])
    ordered = point_names.in_order(root, list(found), None, None)
    return [(annotation.picture, annotation.read().landmarks) for annotation in ordered]


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(faces=st.lists(coordinates, min_size=1, max_size=2))
@pytest.mark.parametrize("label_format", label_files.FORMATS)
def test_written_faces_are_read_to_a_thousandth_of_a_pixel(label_format: str, faces: list, tmp_path_factory):
    root = tmp_path_factory.mktemp("labels", numbered=True)
    (root / "anna").mkdir()
    points = [np.array(face).reshape(-1, 2) for face in faces]
    with label_files.LabelFiles(root, COFW_29, label_format) as labels:
        labels.add(
            root / "photos/a.jpg", root / "anna/a", IMAGE, [face_at(landmarks) for landmarks in points]
        )
    found = read(root, label_format)
    assert [name for name, _ in found] == ["anna/a.jpg"] * len(points)
    np.testing.assert_allclose([landmarks for _, landmarks in found], points, atol=5.001e-4)


def test_labelme_finds_the_image_and_tells_the_faces_apart(tmp_path: pathlib.Path):
    (tmp_path / "out").mkdir()
    with label_files.LabelFiles(tmp_path / "out", COFW_29, "labelme") as labels:
        faces = [face_at(np.full((29, 2), 3.25)), face_at(np.full((29, 2), 4.0))]
        labels.add(tmp_path / "photos/a.jpg", tmp_path / "out/a", IMAGE, faces)
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert content["imagePath"] == "../photos/a.jpg"
    assert (content["imageHeight"], content["imageWidth"], content["imageData"]) == (120, 160, None)
    assert [shape["group_id"] for shape in content["shapes"]] == [0] * 29 + [1] * 29
    first = content["shapes"][0]
    assert (first["label"], first["points"], first["shape_type"]) == ("0", [[3.25, 3.25]], "point")


def test_coco_has_the_box_of_the_points_and_edges_from_1(tmp_path: pathlib.Path):
    landmarks = np.full((29, 2), 5.0)
    landmarks[3] = [15.5, 25]
    with label_files.LabelFiles(tmp_path, COFW_29, "coco") as labels:
        labels.add(tmp_path / "a.jpg", tmp_path / "a", IMAGE, [face_at(landmarks)])
    content = json.loads((tmp_path / "annotations.json").read_text())
    (annotation,), (category,) = content["annotations"], content["categories"]
    assert (annotation["bbox"], annotation["area"], annotation["num_keypoints"]) == (
        [5, 5, 10.5, 20],
        210,
        29,
    )
    assert category["skeleton"][0] == [COFW_29.lines[0][0] + 1, COFW_29.lines[0][1] + 1]
    assert len(category["keypoints"]) == 29


def test_a_corrected_prediction_is_the_landmark_of_a_record(tmp_path: pathlib.Path, monkeypatch):
    """Predicts with labelme's files, moves a point of one of them, and builds the folder of the images with it."""
    monkeypatch.setattr(predict_files.Predictor, "from_run", lambda *_: DotFinder().predictor)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in "ab":
        cv2.imwrite(str(photos / f"{name}.png"), picture((20, 30), (100, 90))[..., ::-1])
    predict_files.predict_files(tmp_path, [str(photos)], out, predict_files.Options(format="labelme"))
    content = json.loads((out / "b.json").read_text())
    moved = next(shape for shape in content["shapes"] if (shape["group_id"], shape["label"]) == (1, "2"))
    predicted = np.array(moved["points"][0])
    moved["points"] = [[118.5, 125.25]]
    (photos / "b.json").write_text(json.dumps(content))
    (photos / "a.json").write_bytes((out / "a.json").read_bytes())
    (photos / "landmarks.json").write_text(
        json.dumps({"scheme": json.loads(schemes.as_text(SCHEME)), "test": 0})
    )
    builder, *_ = build.build("landmark_folder/original", photos, tmp_path / "built")
    records = {
        (r["name"].decode(), int(r["face"])): r["landmarks"] for r in builder.as_data_source(split="train")
    }
    assert sorted(records) == [("a.png", 0), ("a.png", 1), ("b.png", 0), ("b.png", 1)]
    np.testing.assert_array_equal(records["b.png", 1][2], [118.5, 125.25])
    np.testing.assert_allclose(records["a.png", 1][2], predicted, atol=1e-4)
    np.testing.assert_array_equal(records["b.png", 1][:2], records["a.png", 1][:2])


@pytest.mark.parametrize("label_format", label_files.FORMATS)
def test_predict_writes_the_format_in_place_of_its_own(
    label_format: str, tmp_path: pathlib.Path, monkeypatch
):
    monkeypatch.setattr(predict_files.Predictor, "from_run", lambda *_: DotFinder().predictor)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), picture((20, 30), (100, 90))[..., ::-1])
    out.mkdir()
    for earlier in ("a.pts", "a.json"):
        (out / earlier).touch()
    options = predict_files.Options(format=label_format)
    assert predict_files.predict_files(tmp_path, [str(photos)], out, options)["faces"] == 2
    written = {"a.json"} if label_format == "labelme" else {ANNOTATIONS[label_format]}
    assert {path.name for path in out.iterdir()} == {"a_landmarks.jpg", *written}
