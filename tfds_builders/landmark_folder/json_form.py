"""JSON of one picture: `[[x, y], ...]`, objects with `landmarks`, or what prediction writes."""

import functools
import reprlib
import sys
from collections.abc import Iterator, Mapping

import numpy as np

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders.landmark_folder.annotation import Annotation, Face


def annotations(picture: str, content: object, source: str) -> Iterator[Annotation]:
    """The annotations of a picture: one face, a list of faces, or `{"faces": [...]}`, as predictions are written.

    Args:
      picture: as the annotation calls it.
      content: decoded JSON.
      source: where it stands, for messages.
    """
    if isinstance(content, Mapping) and "faces" in content:
        content = content["faces"]
    several = isinstance(content, list) and all(isinstance(face, Mapping) for face in content)
    for number, face in enumerate(content if several else [content]):
        where = f"{source}, face {number}" if several else source
        yield Annotation(picture, where, functools.partial(_read, face, where))


def numbers_of(values: object, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Nested lists of finite numbers as float64 of a shape.

    Raises:
      DamagedRecord: if they are anything else, `true` and `false` among the numbers included.
    """
    if not _fits(values, shape):
        expected = f"{' x '.join(map(str, shape))} finite numbers"
        raise DamagedRecord(f"{where}: found {reprlib.repr(values)}, expected {expected}")
    return np.array(values, np.float64).reshape(shape)


def _fits(values: object, shape: tuple[int, ...]) -> bool:
    if not shape:
        # A whole number in JSON may be larger than any float; the comparison is false for NaN, too.
        return type(values) in (int, float) and abs(values) <= sys.float_info.max
    return (
        isinstance(values, list)
        and len(values) == shape[0]
        and all(_fits(value, shape[1:]) for value in values)
    )


def _read(value: object, where: str) -> Face:
    """`[[x, y], ...]`, or an object with these as `landmarks`, and perhaps `visibility` and `box`."""
    fields = value if isinstance(value, Mapping) else {"landmarks": value}
    points = fields.get("landmarks")
    if not isinstance(points, list) or not points:
        raise DamagedRecord(f"{where}: found no landmarks, expected [[x, y], ...]")
    known = [_is_known(point) for point in points]
    positions = [point if there else [0, 0] for point, there in zip(points, known, strict=True)]
    landmarks = numbers_of(positions, (len(points), 2), f"{where}: landmarks")
    visibility = np.where(known, VISIBLE, UNKNOWN).astype(np.uint8)
    if fields.get("visibility") is not None:
        given = numbers_of(fields["visibility"], (len(points),), f"{where}: visibility")
        if not np.isin(given, (UNKNOWN, VISIBLE, OCCLUDED)).all():
            raise DamagedRecord(f"{where}: visibility has values other than 0, 1 and 2")
        visibility = np.where(known, given, UNKNOWN).astype(np.uint8)
    box = None if fields.get("box") is None else numbers_of(fields["box"], (4,), f"{where}: box")
    return Face(landmarks, visibility, box)


def _is_known(point: object) -> bool:
    """Whether a point has a position: null, and null for both coordinates, mean that it has none."""
    return point is not None and point != [None, None]
