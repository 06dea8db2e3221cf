"""Points of an image in a text or binary file: .pts as of 300W, of menpo or of SCUT-FBP5500, and .txt as of HELEN."""

import functools
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dsat_jax.records import UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import pts
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.raw_files import read_file

_WITHOUT_POSITION = ["nan", "nan"]
_WITH_COMMA = re.compile(r"^[ \t]*([^\s,]+)[ \t]*,[ \t]*([^\s,]+)[ \t]*(?=\r?$)", re.MULTILINE)  # x, y


def beside(root: pathlib.Path, picture: str, file: str) -> Annotation:
    """The annotation of an image in its .pts or .txt file."""
    return Annotation(picture, file, functools.partial(_read, root, file))


def by_first_line(root: pathlib.Path, files: Iterable[str], pictures: Sequence[str]) -> Iterator[Annotation]:
    """The annotations of .txt files whose first line is the name of an image, with or without its suffix, as in HELEN.

    Other .txt files can be anything and are left out.

    Args:
      root: the folder.
      files: paths of the files, relative to the folder.
      pictures: paths of the images, relative to the folder.
    """
    known = {}
    for picture in map(pathlib.PurePosixPath, pictures):
        known |= dict.fromkeys((picture.stem, picture.name), picture.name)
    for file in files:
        try:
            name = _text(read_file(root, file)).partition("\n")[0].strip()
        except DamagedRecord:
            continue
        if name in known:
            yield beside(root, known[name], file)


def _read(root: pathlib.Path, file: str) -> Face:
    data = read_file(root, file)
    landmarks = _binary(data)
    if landmarks is None:
        return _read_text(_text(data), file)
    if not np.isfinite(landmarks).all():
        raise DamagedRecord(
            f"{file}: a binary file of {len(landmarks)} points that are not all finite numbers"
        )
    return Face(landmarks, np.full(len(landmarks), VISIBLE, np.uint8))


def _text(data: bytes) -> str:
    return _WITH_COMMA.sub(r"\1 \2", data.decode("utf-8-sig", errors="replace"))


def _read_text(text: str, file: str) -> Face:
    first, _, rest = text.partition("\n")
    if file.lower().endswith(".txt") and not _is_position(first):  # the image's name
        text = f"\n{rest}"  # lines keep their numbers
    lines = [_WITHOUT_POSITION if _is_missing(line) else line for line in text.splitlines()]
    positions = "\n".join("0 0" if line is _WITHOUT_POSITION else line for line in lines)
    landmarks = pts.parse_pts(positions.encode(), file)
    body = text.partition("{")[2] or text
    missing = [_is_missing(line) for line in body.splitlines() if line.strip(" }\t\r")]
    return Face(landmarks, np.where(missing, UNKNOWN, VISIBLE).astype(np.uint8))


def _is_missing(line: str) -> bool:
    return line.lower().split() == _WITHOUT_POSITION


def _is_position(line: str) -> bool:
    try:
        return len([float(word) for word in line.split()]) == 2
    except ValueError:
        return False


def _binary(data: bytes) -> np.ndarray | None:
    """The points of a binary file, float64 [points, 2]: their number as int32, then float32 x y; None for another file.

    This is the form of the .pts files of SCUT-FBP5500, little-endian.
    """
    if len(data) < 12 or (len(data) - 4) % 8:
        return None
    count = (len(data) - 4) // 8
    if int.from_bytes(data[:4], "little") != count:
        return None
    return np.frombuffer(data, "<f4", offset=4).reshape(count, 2).astype(np.float64)
