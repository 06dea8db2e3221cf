"""The `.pts` landmark files of 300W and its relatives."""

import re

import numpy as np

from tfds_builders import faces

_HEADER = re.compile(r"\s*version:[^{]*?n_points:\s*(?P<count>\d+)\s*\{(?P<body>.*)\}\s*", re.DOTALL)


def parse_pts(data: bytes, name: str, num_points: int) -> np.ndarray:
    """Reads the landmarks of a `.pts` file, with its header or as bare lines.

    Args:
      data: contents of the file.
      name: of the file, for errors.
      num_points: how many landmarks the dataset's scheme has.

    Returns:
      float64 [num_points, 2], the numbers as they stand in the file: 1-based pixels in 300W.

    Raises:
      DamagedRecord: if the file is empty, its header does not fit what follows, or a line is not two finite
        numbers; or if the number of landmarks is another.
    """
    text = data.decode("utf-8-sig", errors="replace").strip()
    if not text:
        raise faces.DamagedRecord(f"{name}: the file is empty, expected {num_points} landmarks")
    body, declared = _split_header(text, name)
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    points = np.array([_parse_point(line, name) for line in lines]).reshape(-1, 2)
    if declared not in (None, len(points)):
        raise faces.DamagedRecord(f"{name}: n_points says {declared}, but {len(points)} landmarks follow")
    if len(points) != num_points:
        raise faces.DamagedRecord(f"{name}: {len(points)} landmarks, expected {num_points}")
    return points


def _split_header(text: str, name: str) -> tuple[str, int | None]:
    """The lines of landmarks, and how many the header declares (None without a header)."""
    if not text.startswith(("version", "n_points")) and not set("{}") & set(text):
        return text, None
    header = _HEADER.fullmatch(text)
    if header is None:
        raise faces.DamagedRecord(
            f"{name}: the header is broken, expected `version: 1`, `n_points: N`, `{{`, the landmarks, `}}`"
        )
    return header["body"], int(header["count"])


def _parse_point(line: str, name: str) -> tuple[float, float]:
    try:
        x, y = map(float, line.split())
    except ValueError:
        raise faces.DamagedRecord(
            f"{name}: found the line {line[:40]!r}, expected two numbers `x y`"
        ) from None
    if not np.isfinite([x, y]).all():
        raise faces.DamagedRecord(f"{name}: found the landmark {line!r}, expected finite numbers")
    return x, y
