"""AFLWinfo_release.mat: the annotation of AFLW-19, a MATLAB file of version 5."""

import collections
import dataclasses
import pathlib

import numpy as np

from tfds_builders import BuildError
from tfds_builders.mat_files import check_numbers, read_mat

NAME = "AFLWinfo_release.mat"
NUM_POINTS = 19
VARIABLES = ("nameList", "data", "bbox", "mask_new", "ra")


@dataclasses.dataclass(frozen=True)
class Info:
    """The annotation, one row per face, with the unchanged numbers of the file.

    Attributes:
      pictures: path of each face's image below flickr/, such as 0/image00002.jpg; empty if the cell is not a text.
      numbers: index of each face in its image, from 0, in the order of the file.
      landmarks: float64 [faces, 19, 2], (x, y).
      mask: float64 [faces, 19], 1 for a visible landmark.
      boxes: float64 [faces, 4], x_min, y_min, x_max, y_max.
      order: int [faces], permutation of the rows; its first part is the training set.
    """

    pictures: list[str]
    numbers: list[int]
    landmarks: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    order: np.ndarray


def read_info(root: pathlib.Path) -> Info:
    """Reads the annotation.

    Args:
      root: the dataset's folder.

    Raises:
      BuildError: if the file is missing or damaged, or its arrays do not fit each other.
    """
    arrays = read_mat(root / NAME, NAME, VARIABLES, BuildError)
    count = arrays["nameList"].size
    for variable, columns in (("data", 2 * NUM_POINTS), ("bbox", 4), ("mask_new", NUM_POINTS)):
        array = arrays[variable]
        check_numbers(array.shape, array.dtype, (count, columns), f"{NAME}, {variable}", BuildError)
    pictures = [_text(cell) for cell in arrays["nameList"].flat]
    return Info(
        pictures=pictures,
        numbers=_count_repeats(pictures),
        landmarks=arrays["data"]
        .astype(np.float64)
        .reshape(count, 2, NUM_POINTS)
        .swapaxes(1, 2),  # 19 x, then 19 y
        mask=arrays["mask_new"].astype(np.float64),
        boxes=arrays["bbox"].astype(np.float64)[:, [0, 2, 1, 3]],  # x_min, x_max, y_min, y_max
        order=_order(arrays["ra"], count),
    )


def _text(cell: object) -> str:
    """The string of a cell, which scipy wraps into an array of one element."""
    if isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1:
        return str(cell.item())
    return ""


def _count_repeats(names: list[str]) -> list[int]:
    seen = collections.Counter()
    numbers = []
    for name in names:
        numbers.append(seen[name])
        seen[name] += 1
    return numbers


def _order(ra: np.ndarray, count: int) -> np.ndarray:
    """The permutation `ra` of the file, which counts rows from 1, as row numbers from 0."""
    if ra.dtype.kind not in "uif" or not np.array_equal(np.sort(ra, axis=None), np.arange(1, count + 1)):
        raise BuildError(
            f"{NAME}: found {ra.size} {ra.dtype} in ra, expected a permutation of 1 to {count}, the number of faces"
        )
    return ra.astype(np.int64).reshape(-1) - 1
