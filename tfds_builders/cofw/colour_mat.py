"""The files COFW_train_color.mat and COFW_test_color.mat: MATLAB 7.3, that is HDF5, every array transposed."""

import dataclasses
import math
import pathlib

import h5py
import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.files.image_files import MOST_PIXELS
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.mat_files import MOST_ELEMENTS, check_numbers

NUM_POINTS = 29
# Errors that h5py raises for invalid references, damaged structures, data that does not unpack, types that NumPy does
# not have, and impossible sizes.
H5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError)


@dataclasses.dataclass(frozen=True)
class ColourMat:
    """One of the two files.

    Attributes:
      name: name of the file.
      suffix: suffix of the variables' names: images Is + suffix, landmarks phis + suffix, boxes bboxes + suffix.
    """

    name: str
    suffix: str


TRAIN = ColourMat("COFW_train_color.mat", "Tr")
TEST = ColourMat("COFW_test_color.mat", "T")


@dataclasses.dataclass(frozen=True)
class Annotations:
    """The unchanged numbers of a file.

    Attributes:
      landmarks: float64 [faces, 29, 2], (x, y) in pixels counted from 1.
      flags: float64 [faces, 29], 1 for an occluded landmark.
      boxes: float64 [faces, 4], left, top, width, height.
    """

    landmarks: np.ndarray
    flags: np.ndarray
    boxes: np.ndarray


def open_mat(root: pathlib.Path, mat: ColourMat) -> h5py.File:
    """Opens one of the files; the caller closes it.

    Raises:
      BuildError: if it is not an HDF5 file, or is cut short.
    """
    try:
        return h5py.File(root / mat.name, "r")
    except OSError as error:
        raise BuildError(f"{mat.name}: not a readable MATLAB 7.3 (HDF5) file ({error})") from error


def count_pictures(file: h5py.File, mat: ColourMat) -> int:
    """The number of images in a file.

    Raises:
      BuildError: if it has no cells of images.
    """
    cells = _dataset(file, mat, f"Is{mat.suffix}")
    if cells.ndim != 2 or cells.shape[0] != 1 or h5py.check_ref_dtype(cells.dtype) is not h5py.Reference:
        raise BuildError(
            f"{mat.name}: Is{mat.suffix} is {cells.shape} {cells.dtype}, expected one row of references to images"
        )
    return cells.shape[1]


def read_annotations(file: h5py.File, mat: ColourMat) -> Annotations:
    """Reads everything except the images.

    Raises:
      BuildError: if the file is damaged, or its arrays do not fit the images.
    """
    count = count_pictures(file, mat)
    # [87, faces]: 29 x, 29 y, 29 flags.
    phis = _matrix(file, mat, f"phis{mat.suffix}", 3 * NUM_POINTS, count).reshape(3, NUM_POINTS, count)
    boxes = _matrix(file, mat, f"bboxes{mat.suffix}", 4, count)
    return Annotations(np.stack([phis[0].T, phis[1].T], axis=-1), phis[2].T, boxes.T)


def read_picture(file: h5py.File, mat: ColourMat, index: int, label: str) -> np.ndarray:
    """Reads one image and nothing else.

    Args:
      file: open file, see `open_mat`.
      mat: description of the file.
      index: index of the image, from 0.
      label: name of the image, for error messages.

    Returns:
      uint8 [height, width, 3] RGB; grey images have three equal channels.

    Raises:
      DamagedRecord: if the reference is invalid, or the data is unreadable or not an image.
    """
    try:
        cell = file[file[f"Is{mat.suffix}"][0, index]]
        pixels = cell[()].T if _holds_picture(cell) else None  # [3, width, height] -> [height, width, 3]
    except H5_ERRORS as error:
        raise DamagedRecord(f"{label}: the image is unreadable ({error})") from error
    if pixels is None:
        kind = f"{cell.shape} {cell.dtype}" if isinstance(cell, h5py.Dataset) else "not an array"
        raise DamagedRecord(
            f"{label}: the image is {kind}, expected (3, width, height) or (width, height) uint8"
        )
    return np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else np.ascontiguousarray(pixels)


def _holds_picture(cell: h5py.HLObject) -> bool:
    if not isinstance(cell, h5py.Dataset) or cell.dtype != np.uint8 or not cell.size:
        return False
    _check_storage(cell, 3 * MOST_PIXELS)
    return cell.ndim == 2 or (cell.ndim == 3 and cell.shape[0] == 3)


def _check_storage(dataset: h5py.Dataset, most: int) -> None:
    """Refuses an array that would fill the memory when it is read, or that is stored in other files.

    Raises:
      UserError: if the array or one of its compressed chunks has more elements than `most`, or it is not in this file.
    """
    if dataset.external or dataset.is_virtual:
        raise UserError("its numbers are in another file")
    if max(math.prod(dataset.shape), math.prod(dataset.chunks or ())) > most:
        raise UserError(
            f"it claims to be {' x '.join(map(str, dataset.shape))}, expected at most {most} elements"
        )


def _dataset(file: h5py.File, mat: ColourMat, variable: str) -> h5py.Dataset:
    try:
        names = [str(name) for name in file]
        # A soft or external link could lead to any other HDF5 file of this machine.
        in_file = variable in names and isinstance(file.get(variable, getlink=True), h5py.HardLink)
        dataset = file[variable] if in_file else None
        usable = isinstance(dataset, h5py.Dataset) and dataset.shape is not None and dataset.dtype is not None
    except H5_ERRORS as error:
        raise BuildError(f"{mat.name}: {variable} is unreadable ({error})") from error
    if not usable:
        others = ", ".join(name for name in names if not name.startswith("#")) or "nothing"
        raise BuildError(f"{mat.name}: no variable {variable}; found {others}")
    return dataset


def _matrix(file: h5py.File, mat: ColourMat, variable: str, rows: int, columns: int) -> np.ndarray:
    dataset = _dataset(file, mat, variable)
    check_numbers(dataset.shape, dataset.dtype, (rows, columns), f"{mat.name}, {variable}", BuildError)
    try:
        _check_storage(dataset, MOST_ELEMENTS)
        return dataset[()].astype(np.float64)
    except H5_ERRORS as error:
        raise BuildError(f"{mat.name}: {variable} is unreadable ({error})") from error
