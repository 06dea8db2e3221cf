"""AFLWinfo_release.mat: the order of its numbers, repeated images, and the permutation."""

import pathlib

import numpy as np
import pytest

from tfds_builders import BuildError
from tfds_builders.aflw19 import info_mat
from tfds_builders.aflw19.conftest import write_info

NAMES = ["0/a.jpg", "0/b.jpg", "0/a.jpg"]


def write(root: pathlib.Path, order: list[int]) -> list[tuple]:
    random = np.random.default_rng(0)
    rows = [
        (name, random.uniform(size=(19, 2)), random.random(19) < 0.5, np.array([1, 2, 3, 4]) + i)
        for i, name in enumerate(NAMES)
    ]
    write_info(root / info_mat.NAME, rows, np.array(order))
    return rows


def test_reads_one_row_per_face(tmp_path: pathlib.Path):
    rows = write(tmp_path, [3, 1, 2])
    info = info_mat.read_info(tmp_path)
    assert info.pictures == NAMES
    assert info.numbers == [0, 0, 1]
    for column, array in zip(range(1, 4), (info.landmarks, info.mask, info.boxes), strict=True):
        np.testing.assert_array_equal(array, np.stack([row[column] for row in rows]))
    np.testing.assert_array_equal(info.order, [2, 0, 1])


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 1, 2], [1, 2]])
def test_an_order_that_is_not_a_permutation_is_refused(tmp_path: pathlib.Path, order: list[int]):
    write(tmp_path, order)
    message = f"AFLWinfo_release.mat: found {len(order)} float64 in ra, expected a permutation of 1 to 3"
    with pytest.raises(BuildError, match=message):
        info_mat.read_info(tmp_path)


def test_a_missing_file_is_an_error(tmp_path: pathlib.Path):
    with pytest.raises(BuildError, match=r"^AFLWinfo_release\.mat: No such file"):
        info_mat.read_info(tmp_path)
