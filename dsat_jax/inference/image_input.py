"""Images and face boxes as users give them: files, arrays of several forms, and lists of numbers."""

import os
import pathlib

import numpy as np
import PIL.Image
import PIL.ImageOps

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.inference import face_boxes

Image = str | os.PathLike | np.ndarray | PIL.Image.Image

_WITH_OPACITY = {"La": "LA", "RGBa": "RGBA"}  # modes that Pillow cannot convert to RGB, to similar ones


def as_image(source: Image) -> np.ndarray:
    """Returns an image, uint8 [height, width, 3] RGB, from a file, an array or an image of Pillow.

    Args:
      source: file; or array uint8 [height, width, 3] RGB, [height, width] grey, or [height, width, 4] RGBA, whose
        opacity is dropped; or image of Pillow in any mode, which is read like a file of it.

    Raises:
      OSError: if there is no such file.
      UserError: if the file is not an image, or the array has another shape or type.
    """
    if isinstance(source, str | os.PathLike):
        return read_image(pathlib.Path(source))
    if isinstance(source, PIL.Image.Image):
        return _from_pillow(source)
    return _as_rgb(np.asarray(source))


def read_image(path: pathlib.Path) -> np.ndarray:
    """Returns an image, uint8 [height, width, 3] RGB, as viewers show it, with its EXIF orientation applied.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      UserError: see `image_files.read_bytes` and `image_files.decode`.
    """
    try:
        return image_files.decode(image_files.read_bytes(path), upright=True)
    except ValueError as error:  # also of a path with a NUL
        raise UserError(f"{path} is not an image that can be read: {error}") from error


def as_boxes(array: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Returns face boxes, float64 [faces, 4].

    Args:
      array: numbers [faces, 4] x_min, y_min, x_max, y_max in image pixels.
      image: image of the boxes, [height, width, 3].

    Raises:
      UserError: if these are not boxes, or a box is outside the image.
    """
    try:
        boxes = np.asarray(array, np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(f"found boxes that are not numbers [faces, 4]: {error}") from error
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise UserError(f"found boxes of shape {list(boxes.shape)}, expected [faces, 4]")
    boxes = boxes.reshape(-1, 4)
    face_boxes.check_inside(boxes, image, "boxes")
    return boxes


def _as_rgb(array: np.ndarray) -> np.ndarray:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise UserError(
            f"found an array {array.dtype}{list(array.shape)}, expected an image uint8 [height, width, 3] RGB"
        )
    return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2) if channels == 1 else array[..., :3]


def _from_pillow(image: PIL.Image.Image) -> np.ndarray:
    """Returns an image of Pillow as a file of it would be read: turned upright by EXIF, without opacity, in 8 bits."""
    upright = PIL.ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return _as_rgb(image_files.in_8_bits(np.asarray(upright).astype(np.uint16)))
    if upright.mode in ("I", "F"):
        raise UserError(f"found an image of Pillow in mode {image.mode}, expected one of 8 or 16 bits")
    return np.asarray(upright.convert(_WITH_OPACITY.get(upright.mode, "RGB")).convert("RGB"))
