"""The lines of WFLW's lists: the landmarks of a face, its box and flags, and the name of its image."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator

import numpy as np

from dsat_jax.records import DamagedRecord
from tfds_builders.raw_files import stays_inside

# `float` would also accept `1_0`, `nan` and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# In pixels. A number with a larger magnitude cannot be a position, since no image is so large.
FARTHEST = 1e6


@dataclasses.dataclass(frozen=True)
class Layout:
    """The fields of a line.

    Attributes:
      num_points: number of landmarks N; a line starts with `x y` of each.
      box: whether `x_min y_min x_max y_max` follow.
      flags: names of the flags, each 0 or 1, that come next.
    """

    num_points: int
    box: bool = False
    flags: tuple[str, ...] = ()

    @property
    def num_fields(self) -> int:
        """Number of fields of a line, the image's name included."""
        return 2 * self.num_points + 4 * self.box + len(self.flags) + 1


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The contents of a line.

    Attributes:
      landmarks: float64 [N, 2], the unchanged numbers of the line.
      box: float64 [4] x_min, y_min, x_max, y_max; None if the list has no boxes.
      flags: name -> value; empty if the list has no flags.
      picture: the image's name, a relative path that stays below the folder of the images.
    """

    landmarks: np.ndarray
    box: np.ndarray | None
    flags: dict[str, bool]
    picture: str


def parse_line(text: str, where: str, layout: Layout) -> Annotation:
    """Reads a face from a line.

    Args:
      text: the line, with fields separated by any white space.
      where: file and line, for error messages.
      layout: layout of the line.

    Raises:
      DamagedRecord: if the number of fields is wrong, a coordinate is not a number of at most `FARTHEST`, a flag is
        neither 0 nor 1, or the image's name leads out of the folder of the images. The message is one line that
        starts with `where`.
    """
    fields = text.split()
    if len(fields) != layout.num_fields:
        raise DamagedRecord(f"{where}: found {len(fields)} fields, expected {layout.num_fields}")
    first_flag = layout.num_fields - 1 - len(layout.flags)
    numbers = np.array(
        [_parse_number(field, i, where) for i, field in enumerate(fields[:first_flag], start=1)], np.float64
    )
    coordinates, box = np.split(numbers, [2 * layout.num_points])
    return Annotation(
        landmarks=coordinates.reshape(layout.num_points, 2),
        box=box if layout.box else None,
        flags={
            name: _parse_flag(field, name, where)
            for name, field in zip(layout.flags, fields[first_flag:-1], strict=True)
        },
        picture=_parse_picture(fields[-1], where),
    )


def read_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Yields number, from 1, and text of the lines that are not blank. Bytes that are not UTF-8 become U+FFFD."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _parse_number(field: str, position: int, where: str) -> float:
    number = float(field) if _NUMBER.fullmatch(field) else np.nan
    if not abs(number) <= FARTHEST:  # also true for NaN
        raise DamagedRecord(
            f"{where}: field {position} is {field[:40]!r}, expected a number of at most {FARTHEST:.0f} px"
        )
    return number


def _parse_flag(field: str, name: str, where: str) -> bool:
    if field not in ("0", "1"):
        raise DamagedRecord(f"{where}: {name} is {field[:40]!r}, expected 0 or 1")
    return field == "1"


def _parse_picture(field: str, where: str) -> str:
    if not stays_inside(field):
        raise DamagedRecord(
            f"{where}: the image is {field[:80]!r}, expected a path below the folder of the images"
        )
    return str(pathlib.PurePosixPath(field))
