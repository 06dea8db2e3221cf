"""Face boxes that a user gives for prediction: a file that is read, and compared with the pictures."""

import pathlib
import reprlib
import sys
from collections.abc import Sequence

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.files import text_files

_FORM = '{"photo.jpg": [[x_min, y_min, x_max, y_max], ...], ...}'
_SMALLEST_SIDE = 1.0  # pixels


def read_boxes(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Face boxes from a .json file: {"photo.jpg": [[x_min, y_min, x_max, y_max], ...], ...}.

    Returns:
      float64 [faces, 4] by file name, in picture pixels, around where the landmarks are expected.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: if it is not of that form.
    """
    contents = text_files.read_json(path)
    if not isinstance(contents, dict):
        raise UserError(f"{path}: found {reprlib.repr(contents)}, expected {_FORM}")
    boxes = {}
    for name, rows in contents.items():
        if not isinstance(rows, list) or not all(_is_box(row) for row in rows):
            raise UserError(f"{path}: found {reprlib.repr(rows)} for {name!r}, expected {_FORM}")
        boxes[name] = np.array(rows, np.float64).reshape(-1, 4)
        if (boxes[name][:, 2:] - boxes[name][:, :2] < _SMALLEST_SIDE).any():
            raise UserError(
                f"{path}: found {reprlib.repr(rows)} for {name!r}, expected x_min < x_max and y_min < y_max, "
                "at least a pixel apart"
            )
    return boxes


def _is_box(row: object) -> bool:
    # A whole number in JSON may be larger than any float; the comparison is false for NaN, too.
    return (
        isinstance(row, list)
        and len(row) == 4
        and all(type(value) in (int, float) and abs(value) <= sys.float_info.max for value in row)
    )


def boxes_for(path: pathlib.Path, files: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """`read_boxes` for some pictures.

    Args:
      path: of the boxes.
      files: the pictures, which the boxes name without their folders.

    Raises:
      OSError: see `read_boxes`.
      ValueError: see `read_boxes`; or if boxes are for a picture that is not among them, or for several.
    """
    boxes = read_boxes(path)
    names = [file.name for file in files]
    unused = sorted(set(boxes) - set(names))
    if unused:
        raise UserError(
            f"{path} has boxes for {', '.join(unused)}, which --images does not name (names without folders)"
        )
    several = sorted(name for name in boxes if names.count(name) > 1)
    if several:
        raise UserError(f"{path} has boxes for {several[0]}, but --images names several pictures called so")
    return boxes


def check_inside(boxes: np.ndarray, image: np.ndarray, where: str) -> None:
    """Refuses boxes that are not where a face of the picture can be.

    A face at the border may reach out of the picture, but no farther than the picture is wide and high.

    Args:
      boxes: [faces, 4] x_min, y_min, x_max, y_max.
      image: [height, width, 3].
      where: the boxes stand, for the error.

    Raises:
      ValueError: if a box lies outside the picture, or reaches far out of it.
    """
    size = np.array(image.shape[1::-1])
    low, high = boxes[:, :2], boxes[:, 2:]
    outside = (high < 0) | (low > size - 1) | (low < -size) | (high > 2 * size)
    if outside.any():
        box = boxes[outside.any(axis=1)][0].tolist()
        raise UserError(f"{where}: the box {box} lies outside the picture of {size[0]} x {size[1]} px")
