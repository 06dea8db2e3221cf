"""COFW-68: the second annotation of COFW's test faces, one small MATLAB file for each face."""

import pathlib
import re

import numpy as np

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.mat_files import check_numbers, read_mat

NUM_POINTS = 68
FOLDER = "COFW68_Data"  # the folder in the archive of the annotation
ANNOTATIONS = "test_annotations"
BOXES = "cofw68_test_bboxes.mat"
_NAME = re.compile(r"(\d+)_points\.mat")


def find_folder(root: pathlib.Path) -> pathlib.Path:
    """The folder of the annotation: COFW68_Data in the dataset's folder, or that folder itself."""
    return root / FOLDER if (root / FOLDER).is_dir() else root


def list_annotations(folder: pathlib.Path) -> dict[int, pathlib.Path]:
    """The files of the faces by the number of their image, which counts from 1."""
    if not (folder / ANNOTATIONS).is_dir():
        return {}
    names = {file: _NAME.fullmatch(file.name) for file in (folder / ANNOTATIONS).iterdir()}
    return {int(match[1]): file for file, match in names.items() if match}


def read_boxes(folder: pathlib.Path, count: int) -> np.ndarray:
    """The face boxes, float64 [count, 4] left, top, width, height.

    Raises:
      BuildError: if the file is missing or damaged, or has a wrong number of boxes.
    """
    boxes = read_mat(folder / BOXES, BOXES, ["bboxes"], BuildError)["bboxes"]
    check_numbers(boxes.shape, boxes.dtype, (count, 4), f"{BOXES}, bboxes", BuildError)
    return boxes.astype(np.float64)


def read_points(file: pathlib.Path, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads the annotation of a face.

    Args:
      file: path of `<number>_points.mat`.
      label: name of the file, for error messages.

    Returns:
      Landmarks, float64 [68, 2], (x, y) in pixels counted from 1, and flags, float64 [68], 1 for an occluded landmark.

    Raises:
      DamagedRecord: if the file is damaged, or its arrays have wrong shapes.
    """
    arrays = read_mat(file, label, ["Points", "Occ"], DamagedRecord)
    for variable, shape in (("Points", (NUM_POINTS, 2)), ("Occ", (1, NUM_POINTS))):
        array = arrays[variable]
        check_numbers(array.shape, array.dtype, shape, f"{label}, {variable}", DamagedRecord)
    return arrays["Points"].astype(np.float64), arrays["Occ"][0].astype(np.float64)
