"""Result files of a prediction: their names, their contents, and what they replace."""

import csv
import dataclasses
import json

import cv2
import numpy as np
import pytest

from dsat_jax import five_points, geometry
from dsat_jax.inference import result_files
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import W300_68
from tfds_builders import pts

IMAGE = np.zeros((20, 30, 3), np.uint8)


def test_a_folder_for_results_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for name in ("file", "file/below", "nowhere/below"):
        with pytest.raises(NotADirectoryError, match="is not a folder, expected one for the results"):
            result_files.check_folder(tmp_path / name)
    result_files.check_folder(tmp_path / "new/below")
    assert not (tmp_path / "new").exists()


def test_results_keep_the_folders_and_never_share_a_name(tmp_path):
    photos = tmp_path / "photos"
    files = [photos / "a.jpg", photos / "b.png", photos / "more" / "c.JPG"]
    stems = result_files.output_stems(files, tmp_path / "out", result_files.common_folder(files))
    assert [str(stem.relative_to(tmp_path / "out")) for stem in stems] == ["a", "b", "more/c"]
    with pytest.raises(ValueError, match="where annotations could be overwritten"):
        result_files.output_stems(files, photos, photos)
    files += [photos / "a.png", photos / "more/a.png"]
    stems = result_files.output_stems(files, tmp_path / "out", photos)
    assert [str(stem.relative_to(tmp_path / "out")) for stem in stems] == [
        "a.jpg",
        "b",
        "more/c",
        "a.png",
        "more/a",
    ]
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.jpg\.png would both write"):
        result_files.output_stems([*files, photos / "a.jpg.png"], tmp_path / "out", photos)


def test_results_of_one_image_are_never_those_of_another(tmp_path):
    folder = tmp_path / "photos"
    files = [folder / "a.png", folder / "a.face1.png"]
    with pytest.raises(ValueError, match=r"a\.face1\.png has the name of a further face of .*a\.png"):
        result_files.output_stems(files, tmp_path / "out", folder)


def test_results_of_a_link_have_the_name_of_the_link(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "holiday.png").symlink_to(tmp_path / "store/8f3ab.png")
    [stem] = result_files.output_stems([tmp_path / "holiday.png"], tmp_path / "out", tmp_path)
    assert stem == tmp_path / "out/holiday"


def test_written_points_read_back_to_a_ten_thousandth_of_a_pixel(tmp_path):
    points = np.random.default_rng(0).uniform(-3, 500, (W300_68.num_points, 2))
    result_files.write_points(tmp_path / "face.pts", points)
    read = pts.parse_pts((tmp_path / "face.pts").read_bytes(), "face.pts", W300_68.num_points) - 1
    np.testing.assert_allclose(read, points, atol=1e-4)


def test_json_contains_the_image_the_scheme_and_every_face(tmp_path):
    """The roll is that of the landmarks, which are turned by 30 degrees; that of the box is coarser."""
    landmarks = np.ones((68, 2))
    turned = geometry.roll_matrix(np.deg2rad(30), np.zeros(2))
    for members, point in zip(W300_68.five_points, five_points.TEMPLATE, strict=True):
        landmarks[list(members)] = geometry.transform_points(turned, point[None])
    face = Face(
        box=np.array([1.0, 1.0, 3.0, 5.0]),
        landmarks=landmarks,
        confidence=0.51234,
        open_channels=np.array([True, False, True]),
        scheme=W300_68,
        roll=np.pi / 2,
        score=0.98765,
    )
    text = result_files._as_json(tmp_path / "a.jpg", IMAGE, [face], W300_68)
    contents = json.loads(text)
    assert (contents["width"], contents["height"], contents["scheme"]) == (30, 20, "w300_68")
    assert contents["faces"][0]["open_channels"] == 2
    assert (contents["faces"][0]["confidence"], contents["faces"][0]["doubtful"]) == (0.5123, False)
    assert (contents["faces"][0]["roll"], contents["faces"][0]["score"]) == (30.0, 0.9877)
    assert contents["faces"][0]["box"] == [0.0, 2.0, 4.0, 4.0]  # the upright box about (2, 3), lying
    np.testing.assert_allclose(contents["faces"][0]["landmarks"], landmarks, atol=5e-4)


def test_the_overlay_is_drawn_on_a_copy(tmp_path):
    face = Face(np.array([2.0, 2.0, 28.0, 18.0]), np.full((68, 2), 9.0), None, None, W300_68)
    image = np.zeros((20, 30, 3), np.uint8)
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", image, [face], W300_68)
    assert not image.any()
    assert cv2.imread(str(tmp_path / "out/a_landmarks.jpg")).any()


def test_a_doubtful_face_is_grey():
    face = Face(np.array([2.0, 2.0, 28.0, 18.0]), np.full((68, 2), 9.0), 0.4, None, W300_68, doubtful=True)
    image = np.zeros((20, 30, 3), np.uint8)
    assert np.ptp(result_files._overlay(image, [face], W300_68).astype(int), axis=-1).max() == 0
    sure = dataclasses.replace(face, doubtful=False)
    assert np.ptp(result_files._overlay(image, [sure], W300_68).astype(int), axis=-1).max() > 100


def test_a_new_prediction_removes_the_results_of_an_earlier_one(tmp_path):
    face = Face(np.array([2.0, 2, 28, 18]), np.full((68, 2), 9.0), None, None, W300_68)
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", IMAGE, [face, face], W300_68)
    kept = {tmp_path / "out" / name for name in ("a.face1.json", "ab.pts", "a.faces.pts")}
    for path in (*kept, tmp_path / "out/a.face1_heatmaps.png"):
        path.touch()
    result_files.write_results(tmp_path / "a.jpg", tmp_path / "out/a", IMAGE, [face], W300_68)
    written = {tmp_path / "out" / name for name in ("a.json", "a.pts", "a_landmarks.jpg")}
    assert set((tmp_path / "out").iterdir()) == kept | written


def face_at(x):
    points = np.array([[x, 2.0], [x + 0.12345, 4.0]])
    return Face(np.array([x - 1, 1.0, x + 2, 5.0]), points, None, None, W300_68)


def test_every_face_has_a_row_with_the_path_of_its_image(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "new" / "out"
    files = [folder / "a, b.jpg", folder / "more" / "ä.v2.JPG", folder / "none.png"]
    stems = result_files.output_stems(files, out, folder)
    with result_files.LandmarkTable(out, 2) as table:
        for file, stem, faces in zip(
            files, stems, ([face_at(10.0)], [face_at(20.0), face_at(30.0)], []), strict=True
        ):
            table.add(file, stem, faces)
    with (out / "landmarks.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    assert rows == [
        ["image", "face", "x_min", "y_min", "x_max", "y_max", "x0", "y0", "x1", "y1"],
        ["a, b.jpg", "0", "9.0", "1.0", "12.0", "5.0", "10.0", "2.0", "10.123", "4.0"],
        ["more/ä.v2.JPG", "0", "19.0", "1.0", "22.0", "5.0", "20.0", "2.0", "20.123", "4.0"],
        ["more/ä.v2.JPG", "1", "29.0", "1.0", "32.0", "5.0", "30.0", "2.0", "30.123", "4.0"],
    ]
    table = np.genfromtxt(
        out / "landmarks.csv", delimiter=",", skip_header=2, usecols=range(2, 10), encoding="utf-8"
    )
    np.testing.assert_allclose(table[1, 4:].reshape(2, 2), face_at(30.0).landmarks, atol=1e-3)


def test_a_new_prediction_replaces_the_table(tmp_path):
    for x in (10.0, 40.0):
        with result_files.LandmarkTable(tmp_path, 2) as table:
            table.add(tmp_path / "a.jpg", tmp_path / "a", [face_at(x)])
    assert (tmp_path / "landmarks.csv").read_text().splitlines()[1:] == [
        "a.jpg,0,39.0,1.0,42.0,5.0,40.0,2.0,40.123,4.0"
    ]
