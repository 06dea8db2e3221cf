"""CSV of points: columns in any order, empty cells, boxes."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import csv_form
from tfds_builders.landmark_folder.annotation import Annotation


def annotations(folder: pathlib.Path, text: str) -> list[Annotation]:
    (folder / "a.csv").write_text(text)
    return list(csv_form.annotations(folder / "a.csv", "a.csv"))


def test_columns_are_found_by_name(tmp_path: pathlib.Path):
    text = "y1,x1,who,image,y0,x0,x_max,y_max,x_min,y_min\n4,3,Anna,a.jpg,2,1,30,40,10,20\n,,,b.jpg,6,5,,,,\n"
    first, second = annotations(tmp_path, text)
    assert [(a.picture, a.source) for a in (first, second)] == [
        ("a.jpg", "a.csv, line 2"),
        ("b.jpg", "a.csv, line 3"),
    ]
    np.testing.assert_array_equal(first.read().landmarks, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(first.read().visibility, [VISIBLE, VISIBLE])
    np.testing.assert_array_equal(first.read().box, [10, 20, 30, 40])
    np.testing.assert_array_equal(second.read().landmarks, [[5, 6], [0, 0]])
    np.testing.assert_array_equal(second.read().visibility, [VISIBLE, UNKNOWN])
    assert second.read().box is None


@pytest.mark.parametrize(
    "text",
    [
        "image,x0,y0,x1,y1\na b.jpg,1.5,2,nan,NaN\n",
        "image, x0, y0, x1, y1\na b.jpg, 1.5, 2, , \n",
        "image;x0;y0;x1;y1\na b.jpg;1,5;2,0;;\n",
        "image\tx0\ty0\tx1\ty1\na b.jpg\t1.5\t2\tnan\tnan\n",
        "image,x1,y1,x2,y2\r\na b.jpg,1.5,2,,\r\n",
        "\ufeffimage;x1;y1;x2;y2\n a b.jpg ;1.5;2;;\n",
    ],
)
def test_spreadsheets_and_programs_write_the_same_table(tmp_path: pathlib.Path, text: str):
    (annotation,) = annotations(tmp_path, text)
    assert annotation.picture == "a b.jpg"
    np.testing.assert_array_equal(annotation.read().landmarks, [[1.5, 2], [0, 0]])
    np.testing.assert_array_equal(annotation.read().visibility, [VISIBLE, UNKNOWN])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1", "a.csv, line 2: found 2 fields, expected 3"),
        ("a.jpg,1,2,3", "a.csv, line 2: found 4 fields, expected 3"),
        ("a.jpg,1,", "a.csv, line 2, point 0: found '1', expected 2 finite numbers `x y`"),
        ("a.jpg,1,nan", "a.csv, line 2, point 0: found '1 nan', expected 2 finite numbers `x y`"),
        ("a.jpg,1 2,", "a.csv, line 2, point 0: found the cell '1 2', expected one number"),
    ],
)
def test_a_damaged_row_is_one_damaged_face(tmp_path: pathlib.Path, row: str, message: str):
    damaged, good = annotations(tmp_path, f"image,x0,y0\n{row}\nb.jpg,1,2\n")
    with pytest.raises(DamagedRecord) as error:
        damaged.read()
    assert str(error.value) == message
    np.testing.assert_array_equal(good.read().landmarks, [[1, 2]])


@pytest.mark.parametrize("header", ["", "image", "x0,y0", "image,x0", "image,x2,y2", "image,x0,y0,x1"])
def test_another_header_is_refused(tmp_path: pathlib.Path, header: str):
    with pytest.raises(BuildError, match="expected image,x0,y0,x1,y1,"):
        annotations(tmp_path, f"{header}\n")
