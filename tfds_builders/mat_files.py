"""MATLAB files up to version 7, which scipy reads. (Version 7.3 is HDF5: h5py reads it.)"""

import io
import math
import pathlib
import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import scipy.io

from dsat_jax.errors import UserError

# The largest number of elements of an array, ten times that of the largest array of the supported datasets (AFLW-19,
# 926,668). If a length is damaged, scipy would fill gigabytes before it fails.
MOST_ELEMENTS = 10_000_000
# The largest size of a file's contents after decompression. The length of nested cells cannot be checked beforehand,
# and a megabyte can unpack to a gigabyte.
MOST_BYTES = 2**28
_COMPRESSED = 15  # type of a compressed element, version 7


def read_mat(
    file: pathlib.Path, label: str, variables: Sequence[str], refuse: type[UserError]
) -> dict[str, np.ndarray]:
    """Reads some variables of a MATLAB file.

    Args:
      file: MATLAB file of version 4 to 7.
      label: the file's name, for error messages.
      variables: names of the variables; others are not read.
      refuse: class of the exception: `BuildError` if the whole dataset depends on the file, `DamagedRecord` if only
        one face does.

    Returns:
      The arrays with MATLAB's shapes: matrices with at least two dimensions, cells as arrays of objects.

    Raises:
      refuse: if the file is damaged, of version 7.3, not a MATLAB file, too large, or lacks a variable.
    """
    if file.exists() and not file.is_file():  # reading a pipe would never end
        raise refuse(f"{label}: found a folder, a pipe or a device, expected a file")
    try:
        with file.open("rb") as stream:  # with a path, scipy hides why the file cannot be opened
            _check_unpacked_size(stream)
            _check_lengths(stream)
            arrays = scipy.io.loadmat(stream, variable_names=variables)
    except UserError as error:
        raise refuse(f"{label}: {error}") from error
    except NotImplementedError:  # raised by scipy for HDF5
        raise refuse(f"{label}: a MATLAB file of version 7.3, expected version 7 or older") from None
    except OSError as error:  # the file is missing, may not be read, or is cut short
        raise refuse(f"{label}: {error.strerror or 'the file is cut short'}") from error
    except Exception as error:  # scipy takes any bytes as lengths and types, and raises errors of any kind
        raise refuse(f"{label}: not a readable MATLAB file ({type(error).__name__}: {error})") from error
    for variable in variables:
        if not isinstance(arrays.get(variable), np.ndarray):
            names = ", ".join(name for name in arrays if not name.startswith("__")) or "none of these"
            raise refuse(
                f"{label}: no readable variable {variable}, expected {', '.join(variables)}; found {names}"
            )
    return {variable: arrays[variable] for variable in variables}


def _check_unpacked_size(stream: BinaryIO) -> None:
    """Refuses decompression bombs: unpacks the compressed elements without keeping them."""
    order = {b"IM": "<", b"MI": ">"}.get(stream.read(128)[126:])
    left = MOST_BYTES
    while order and len(tag := stream.read(8)) == 8:
        kind, length = struct.unpack(f"{order}2I", tag)
        if kind != _COMPRESSED:
            stream.seek(length, io.SEEK_CUR)
            continue
        unpacking, packed = zlib.decompressobj(), stream.read(length)
        while packed and left >= 0:
            left -= len(unpacking.decompress(packed, 2**20))
            packed = unpacking.unconsumed_tail
        if left < 0:
            raise UserError(f"the file unpacks to more than {MOST_BYTES} bytes")
    stream.seek(0)


def _check_lengths(stream: BinaryIO) -> None:
    for variable, shape, _ in scipy.io.whosmat(stream):
        if math.prod(abs(int(length)) for length in shape) > MOST_ELEMENTS:
            lengths = " x ".join(map(str, shape))
            raise UserError(f"{variable} claims to be {lengths}, expected at most {MOST_ELEMENTS} elements")


def check_numbers(
    shape: Sequence[int],
    dtype: np.dtype,
    expected: Sequence[int | None],
    label: str,
    refuse: type[UserError],
) -> None:
    """Checks that an array has real numbers and the expected shape.

    Args:
      shape: shape of the array.
      dtype: type of the array's elements.
      expected: expected shape, in which None stands for any length.
      label: the file's and the variable's name, for the error message.
      refuse: class of the exception.

    Raises:
      refuse: if the shape or the type is wrong.
    """
    fits = len(shape) == len(expected) and all(
        wanted in (None, length) for wanted, length in zip(expected, shape, strict=True)
    )
    if not fits or dtype.kind not in "buif":
        wanted = " x ".join("any" if length is None else str(length) for length in expected)
        lengths = " x ".join(map(str, shape))
        raise refuse(f"{label}: an array of {lengths} {dtype}, expected {wanted} numbers")


def check_flags(values: np.ndarray, label: str, refuse: type[UserError]) -> None:
    """Checks that numbers are all 0 or 1.

    Args:
      values: numbers, of any shape.
      label: name of the numbers, for the error message.
      refuse: class of the exception.

    Raises:
      refuse: if some are neither, for example NaN.
    """
    invalid = np.unique(values[~np.isin(values, (0, 1))])
    if invalid.size:
        raise refuse(f"{label}: found {invalid.tolist()}, expected 0 or 1")
