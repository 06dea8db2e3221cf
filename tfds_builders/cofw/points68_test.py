"""The files of COFW-68: their folder, their numbers, and their arrays."""

import pathlib

import numpy as np
import pytest
import scipy.io

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.cofw import points68


def test_the_folder_may_be_missing(tmp_path: pathlib.Path):
    assert points68.find_folder(tmp_path) == tmp_path
    (tmp_path / "COFW68_Data").mkdir()
    assert points68.find_folder(tmp_path) == tmp_path / "COFW68_Data"


def test_annotations_are_listed_by_number(tmp_path: pathlib.Path):
    assert points68.list_annotations(tmp_path) == {}
    folder = tmp_path / "test_annotations"
    folder.mkdir()
    for name in ("1_points.mat", "23_points.mat", "._1_points.mat", "x_points.mat", "3_points.txt"):
        (folder / name).write_bytes(b"")
    files = points68.list_annotations(tmp_path)
    assert files == {1: folder / "1_points.mat", 23: folder / "23_points.mat"}


def test_points_and_flags_are_unchanged(tmp_path: pathlib.Path):
    points, flags = np.arange(136.0).reshape(68, 2), np.arange(68.0)[None] % 2
    scipy.io.savemat(tmp_path / "1_points.mat", {"Points": points, "Occ": flags})
    landmarks, occluded = points68.read_points(tmp_path / "1_points.mat", "1_points.mat")
    np.testing.assert_array_equal(landmarks, points)
    np.testing.assert_array_equal(occluded, flags[0])
    scipy.io.savemat(tmp_path / "1_points.mat", {"Points": points, "Occ": flags.T})
    with pytest.raises(
        DamagedRecord, match=r"^1_points\.mat, Occ: an array of 68 x 1 float64, expected 1 x 68"
    ):
        points68.read_points(tmp_path / "1_points.mat", "1_points.mat")


def test_the_number_of_boxes_must_be_that_of_the_images(tmp_path: pathlib.Path):
    scipy.io.savemat(tmp_path / points68.BOXES, {"bboxes": np.ones((2, 4))})
    np.testing.assert_array_equal(points68.read_boxes(tmp_path, 2), np.ones((2, 4)))
    with pytest.raises(BuildError, match="an array of 2 x 4 float64, expected 3 x 4 numbers"):
        points68.read_boxes(tmp_path, 3)
