"""Text files of landmarks: the `.pts` files of 300W and similar datasets, and bare lines `x y`."""

import re

import numpy as np

from dsat_jax.records import DamagedRecord

_HEADER = re.compile(r"\s*version:[^{]*?n_points:\s*(?P<count>\d{1,9})\s*\{(?P<body>.*)\}\s*", re.DOTALL)


def parse_pts(data: bytes, name: str, num_points: int | None = None) -> np.ndarray:
    """Reads the landmarks of a `.pts` file, with a header or as bare lines.

    Args:
      data: contents of the file.
      name: the file's name, for error messages.
      num_points: expected number of landmarks; None allows any number.

    Returns:
      float64 [num_points, 2], the unchanged numbers of the file: 1-based pixels in 300W.

    Raises:
      DamagedRecord: if the file is empty, its header does not fit the lines that follow, a line is not two finite
        numbers, or the number of landmarks is wrong.
    """
    text = data.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise DamagedRecord(f"{name}: the file is empty, expected {num_points or 'some'} landmarks")
    body, first_line, declared = _split_header(text, name)
    points = parse_points(body, name, first_line)
    if declared not in (None, len(points)):
        raise DamagedRecord(f"{name}: n_points is {declared}, but {len(points)} landmarks follow")
    if num_points not in (None, len(points)):
        raise DamagedRecord(f"{name}: {len(points)} landmarks, expected {num_points}")
    return points


def parse_points(text: str, name: str, first_line: int = 1) -> np.ndarray:
    """Reads lines `x y`; blank lines are skipped.

    Args:
      text: the lines.
      name: the file's name, for error messages.
      first_line: number of the first line within the file, for error messages.

    Returns:
      float64 [landmarks, 2].

    Raises:
      DamagedRecord: if a line is not two finite numbers; the message names it.
    """
    lines = enumerate(text.splitlines(), first_line)
    points = [parse_numbers(line, f"{name}, line {number}", "x y") for number, line in lines if line.strip()]
    return np.array(points).reshape(-1, 2)


def parse_numbers(line: str, where: str, form: str) -> list[float]:
    """Reads a line of finite numbers.

    Args:
      line: text of the line.
      where: file and line, for error messages.
      form: expected form, for example `x y`: one number for each word.

    Raises:
      DamagedRecord: if the line is not of this form.
    """
    expected = form.split()
    try:
        numbers = [float(field) for field in line.split()]
    except ValueError:
        numbers = []
    if "_" in line or not line.isascii():  # Python's float accepts 1_0 as 10, and digits of any script
        numbers = []
    if len(numbers) != len(expected) or not np.isfinite(numbers).all():
        shown = line.strip()
        shown = shown if len(shown) <= 40 else shown[:40] + "..."
        raise DamagedRecord(f"{where}: found {shown!r}, expected {len(expected)} finite numbers `{form}`")
    return numbers


def _split_header(text: str, name: str) -> tuple[str, int, int | None]:
    """The lines of landmarks, the number of their first line, and the count that the header declares, if any."""
    if not text.lstrip().startswith(("version", "n_points")) and not set("{}") & set(text):
        return text, 1, None
    header = _HEADER.fullmatch(text)
    if header is None:
        raise DamagedRecord(
            f"{name}: the header is broken, expected `version: 1`, `n_points: N`, `{{`, the landmarks, `}}`"
        )
    return header["body"], len(text[: header.start("body")].splitlines()), int(header["count"])
