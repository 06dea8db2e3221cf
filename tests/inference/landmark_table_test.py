"""landmarks.csv: a line for each face of all pictures."""

import csv

import numpy as np

from dsat_jax.inference import result_files
from dsat_jax.inference.landmarks import Face


def face(x):
    points = np.array([[x, 2.0], [x + 0.12345, 4.0]])
    return Face(np.array([x - 1, 1.0, x + 2, 5.0]), points, None, None)


def test_every_face_has_a_line_that_names_its_picture(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "new" / "out"
    files = [folder / "a, b.jpg", folder / "more" / "ä.v2.JPG", folder / "none.png"]
    stems = result_files.output_stems(files, out, folder)
    with result_files.LandmarkTable(out, 2) as table:
        for file, stem, faces in zip(files, stems, ([face(10.0)], [face(20.0), face(30.0)], []), strict=True):
            table.add(file, stem, faces)
    with (out / "landmarks.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    assert rows == [
        ["picture", "face", "x_min", "y_min", "x_max", "y_max", "x0", "y0", "x1", "y1"],
        ["a, b.jpg", "0", "9.0", "1.0", "12.0", "5.0", "10.0", "2.0", "10.123", "4.0"],
        ["more/ä.v2.JPG", "0", "19.0", "1.0", "22.0", "5.0", "20.0", "2.0", "20.123", "4.0"],
        ["more/ä.v2.JPG", "1", "29.0", "1.0", "32.0", "5.0", "30.0", "2.0", "30.123", "4.0"],
    ]
    table = np.genfromtxt(
        out / "landmarks.csv", delimiter=",", skip_header=2, usecols=range(2, 10), encoding="utf-8"
    )
    np.testing.assert_allclose(table[1, 4:].reshape(2, 2), face(30.0).landmarks, atol=1e-3)


def test_a_new_prediction_replaces_the_table(tmp_path):
    for x in (10.0, 40.0):
        with result_files.LandmarkTable(tmp_path, 2) as table:
            table.add(tmp_path / "a.jpg", tmp_path / "a", [face(x)])
    assert (tmp_path / "landmarks.csv").read_text().splitlines()[1:] == [
        "a.jpg,0,39.0,1.0,42.0,5.0,40.0,2.0,40.123,4.0"
    ]
