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

# An array may have no more elements: ten times those of the largest one in any dataset here (AFLW-19, 926,668). A
# damaged length would have scipy fill gigabytes before it notices.
MOST_ELEMENTS = 10_000_000
# All that a file holds when it is decompressed. A cell in a cell has no length that could be looked at before, and a
# megabyte can unpack to a gigabyte.
MOST_BYTES = 2**28
_COMPRESSED = 15  # the type of an element of version 7


def read_mat(
    file: pathlib.Path, label: str, variables: Sequence[str], refuse: type[ValueError]
) -> dict[str, np.ndarray]:
    """Reads some variables of a MATLAB file.

    Args:
      file: of version 4 to 7.
      label: the file's name, for errors.
      variables: the names wanted; others are not read.
      refuse: the exception to raise: `BuildError` where a dataset stands or falls with the file, `DamagedRecord`
        where only one face does.

    Returns:
      The arrays as MATLAB had them: matrices with at least two dimensions, cells as arrays of objects.

    Raises:
      refuse: if the file is damaged, of version 7.3 or no MATLAB file, or lacks a variable.
    """
    if file.exists() and not file.is_file():  # a pipe would never end
        raise refuse(f"{label}: found a folder, a pipe or a device, expected a file")
    try:
        with file.open("rb") as stream:  # given a path, scipy hides why it cannot be opened
            _check_unpacked_size(stream)
            _check_lengths(stream)
            found = scipy.io.loadmat(stream, variable_names=variables)
    except NotImplementedError:  # scipy's word for HDF5
        raise refuse(f"{label}: a MATLAB file of version 7.3, expected version 7 or older") from None
    except OSError as error:  # no file, no right to read it, or its end comes too early
        raise refuse(f"{label}: {error.strerror or 'the file stops short'}") from error
    except Exception as error:  # scipy takes any bytes for lengths and types, and fails in every way there is
        raise refuse(f"{label}: not a readable MATLAB file ({type(error).__name__}: {error})") from error
    for variable in variables:
        if not isinstance(found.get(variable), np.ndarray):
            names = ", ".join(name for name in found if not name.startswith("__")) or "none of these"
            raise refuse(
                f"{label}: no readable variable {variable}, expected {', '.join(variables)}; found {names}"
            )
    return {variable: found[variable] for variable in variables}


def _check_unpacked_size(stream: BinaryIO) -> None:
    """Refuses decompression bombs: unpacks what is compressed, and keeps nothing of it."""
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
            raise UserError(f"it unpacks to more than {MOST_BYTES} bytes")
    stream.seek(0)


def _check_lengths(stream: BinaryIO) -> None:
    for variable, shape, _ in scipy.io.whosmat(stream):
        if math.prod(abs(int(length)) for length in shape) > MOST_ELEMENTS:
            raise UserError(f"{variable} claims to be {' x '.join(map(str, shape))}")


def check_numbers(
    shape: Sequence[int],
    dtype: np.dtype,
    expected: Sequence[int | None],
    label: str,
    refuse: type[ValueError],
) -> None:
    """Checks that an array holds real numbers and has the shape expected.

    Args:
      shape: of the array.
      dtype: of the array.
      expected: its lengths; None admits any.
      label: the file's and the variable's name, for the error.
      refuse: the exception to raise.

    Raises:
      refuse: if it is something else.
    """
    fits = len(shape) == len(expected) and all(
        length in (None, found) for length, found in zip(expected, shape, strict=True)
    )
    if not fits or dtype.kind not in "buif":
        lengths = " x ".join("any" if length is None else str(length) for length in expected)
        found = " x ".join(map(str, shape))
        raise refuse(f"{label}: an array of {found} {dtype}, expected {lengths} numbers")


def check_flags(values: np.ndarray, label: str, refuse: type[ValueError]) -> None:
    """Checks that numbers are all 0 or 1.

    Args:
      values: numbers, of any shape.
      label: what they are, for the error.
      refuse: the exception to raise.

    Raises:
      refuse: if some are neither, for example NaN.
    """
    odd = np.unique(values[~np.isin(values, (0, 1))])
    if odd.size:
        raise refuse(f"{label}: found {odd.tolist()}, expected 0 or 1")
