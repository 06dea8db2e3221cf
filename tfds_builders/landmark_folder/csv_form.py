"""CSV: rows under a header `image,x0,y0,x1,y1,...`, optionally with a box; other columns are ignored.

Columns are separated by commas, semicolons or tabs, and the points count from 0 or 1.
"""

import csv
import functools
import io
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import decode
from dsat_jax.records import UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError, pts
from tfds_builders.landmark_folder.annotation import Annotation, Face

# `picture` is in tables that earlier versions of `run.py --mode=predict` have written.
_IMAGE_COLUMNS = ("image", "picture")
BOX_COLUMNS = ("x_min", "y_min", "x_max", "y_max")
_WITHOUT_POSITION = ("", "nan")


def annotations(path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The annotations of a file, one per row.

    Args:
      path: path of the file.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if the file is not CSV in UTF-8, or its header is wrong.
    """
    try:
        text = decode(path.read_bytes())
    except UserError as error:
        raise BuildError(f"{path}, {error}") from error
    separator = _separator(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        reader.fieldnames = columns = [column.strip() for column in reader.fieldnames or []]
        coordinates = _coordinates(columns, path)
        image = next(name for name in _IMAGE_COLUMNS if name in columns)
        for row in reader:
            where = f"{file}, line {reader.line_num}"
            read = functools.partial(_read, row, len(columns), coordinates, separator, where)
            yield Annotation((row[image] or "").strip(), where, read)
    except csv.Error as error:
        raise BuildError(f"{path}, line {reader.reader.line_num}: not CSV: {error}") from error


def _separator(text: str) -> str:
    """The character between the columns, of which the header has the most."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _coordinates(columns: Sequence[str], path: pathlib.Path) -> list[str]:
    """The columns x0, y0, x1, ... of a header, or x1, y1, x2, ..."""
    first = 0 if "x0" in columns else 1
    count = sum(f"x{i}" in columns for i in range(len(columns) + 1))
    coordinates = [f"{axis}{i}" for i in range(first, first + count) for axis in "xy"]
    if not set(_IMAGE_COLUMNS) & set(columns) or not count or not set(coordinates) <= set(columns):
        raise BuildError(
            f"{path}: found the columns {','.join(columns)[:80]}, expected image,x0,y0,x1,y1,..."
        )
    return coordinates


def _read(
    row: Mapping[str, str], num_columns: int, coordinates: Sequence[str], separator: str, where: str
) -> Face:
    count = sum(value is not None for key, value in row.items() if key is not None) + len(row.get(None, ()))
    if count != num_columns:
        raise DamagedRecord(f"{where}: found {count} fields, expected {num_columns}")
    row = {column: cell.strip() for column, cell in row.items()}
    if separator != ",":  # spreadsheets write decimal commas then
        row = {column: cell.replace(",", ".") for column, cell in row.items()}
    cells = [row[column] for column in coordinates]
    points = list(zip(cells[::2], cells[1::2], strict=True))
    known = [not all(cell.lower() in _WITHOUT_POSITION for cell in point) for point in points]
    landmarks = np.zeros((len(points), 2))
    for i in np.flatnonzero(known):
        landmarks[i] = _parse_cells(points[i], f"{where}, point {i}", "x y")
    corners = [row.get(column, "") for column in BOX_COLUMNS]
    box = np.array(_parse_cells(corners, where, " ".join(BOX_COLUMNS))) if any(corners) else None
    return Face(landmarks, np.where(known, VISIBLE, UNKNOWN).astype(np.uint8), box)


def _parse_cells(cells: Sequence[str], where: str, form: str) -> list[float]:
    """The numbers of some cells, one number per cell."""
    for cell in cells:
        if (
            len(cell.split()) > 1
        ):  # with an empty cell next to it, the joined text would have the right length
            raise DamagedRecord(f"{where}: found the cell {cell[:40]!r}, expected one number")
    return pts.parse_numbers(" ".join(cells), where, form)
