"""Face boxes without a detector: from a JSON file of the user, checked against the images, or of whole images."""

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
    """Reads face boxes from a JSON file: {"photo.jpg": [[x_min, y_min, x_max, y_max], ...], ...}.

    Returns:
      float64 [faces, 4] by file name: boxes around the expected landmarks, in image pixels.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if the contents have another structure.
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
    # The comparison refuses integers beyond the largest float, which JSON allows, and NaN.
    return (
        isinstance(row, list)
        and len(row) == 4
        and all(type(value) in (int, float) and abs(value) <= sys.float_info.max for value in row)
    )


def boxes_for(path: pathlib.Path, files: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Reads the face boxes of images, as `read_boxes` does.

    Args:
      path: JSON file of the boxes.
      files: image files; the JSON file names them without their folders.

    Raises:
      OSError: if the JSON file does not exist or cannot be read.
      UserError: if its contents have another structure, or a name belongs to no image or to several.
    """
    boxes = read_boxes(path)
    names = [file.name for file in files]
    unused = sorted(set(boxes) - set(names))
    if unused:
        raise UserError(
            f"{path} has boxes for {', '.join(unused)}, which are not among the images (names without folders)"
        )
    several = sorted(name for name in boxes if names.count(name) > 1)
    if several:
        raise UserError(f"{path} has boxes for {several[0]}, but several images have that name")
    return boxes


def whole_image_boxes(image: np.ndarray, enlarge: float) -> np.ndarray:
    """Returns the face box [1, 4] that, with the margin of the crop, covers the whole image.

    If the image is not square, the square crop leaves out the ends of its long side. An image of one row or column has
    no box: the result is [0, 4].

    Args:
      image: [height, width, 3].
      enlarge: margin of the crop around a face box, as a share of the box.
    """
    height, width = image.shape[:2]
    if min(height, width) == 1:
        return np.empty((0, 4))
    margin_x, margin_y = (enlarge / (1 + 2 * enlarge) * (side - 1) for side in (width, height))
    return np.array([[margin_x, margin_y, width - 1 - margin_x, height - 1 - margin_y]])


def check_inside(boxes: np.ndarray, image: np.ndarray, where: str) -> None:
    """Refuses boxes at positions that a face of the image cannot have.

    The box of a face at the border may extend beyond the image by at most the width and height of the image.

    Args:
      boxes: [faces, 4] x_min, y_min, x_max, y_max in image pixels.
      image: [height, width, 3].
      where: origin of the boxes, for error messages.

    Raises:
      UserError: if a box is outside the image, extends too far beyond it, or has shares of the image's sides.
    """
    shares = ((boxes >= 0) & (boxes <= 1)).all(axis=1)
    if shares.any():
        raise UserError(
            f"{where}: the box {boxes[shares][0].tolist()} is between 0 and 1, expected pixels of the image of "
            f"{image.shape[1]} x {image.shape[0]} px: multiply shares by its width and height"
        )
    size = np.array(image.shape[1::-1])
    low, high = boxes[:, :2], boxes[:, 2:]
    outside = (high < 0) | (low > size - 1) | (low < -size) | (high > 2 * size)
    if outside.any():
        box = boxes[outside.any(axis=1)][0].tolist()
        raise UserError(f"{where}: the box {box} is outside the image of {size[0]} x {size[1]} px")
