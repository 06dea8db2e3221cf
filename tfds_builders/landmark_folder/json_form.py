"""JSON of one image: `[[x, y], ...]`, objects with `landmarks`, or the results of a prediction."""

import functools
import reprlib
import sys
from collections.abc import Iterator, Mapping

import numpy as np

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders.landmark_folder.annotation import Annotation, Face


def annotations(picture: str, content: object, source: str) -> Iterator[Annotation]:
    """The annotations of an image: one face, a list of faces, or `{"faces": [...]}`, the form of predictions.

    Args:
      picture: path of the image as the annotation gives it.
      content: decoded JSON.
      source: file, and entry within it, for messages.
    """
    if isinstance(content, Mapping) and "faces" in content:
        content = content["faces"]
    several = isinstance(content, list) and all(isinstance(face, Mapping) for face in content)
    for number, face in enumerate(content if several else [content]):
        where = f"{source}, face {number}" if several else source
        yield Annotation(picture, where, functools.partial(read_face, face, where))


def numbers_of(values: object, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Converts nested lists of finite numbers to a float64 array of a shape.

    Raises:
      DamagedRecord: if the shape is wrong or a value is not a finite number; `true` and `false` are not numbers.
    """
    if not _fits(values, shape):
        expected = f"{' x '.join(map(str, shape))} finite numbers"
        raise DamagedRecord(f"{where}: found {reprlib.repr(values)}, expected {expected}")
    return np.array(values, np.float64).reshape(shape)


def _fits(values: object, shape: tuple[int, ...]) -> bool:
    if not shape:
        # An integer in JSON may be larger than any float. The comparison is also false for NaN.
        return type(values) in (int, float) and abs(values) <= sys.float_info.max
    return (
        isinstance(values, list)
        and len(values) == shape[0]
        and all(_fits(value, shape[1:]) for value in values)
    )


def read_face(value: object, where: str) -> Face:
    """Reads `[[x, y], ...]`, or an object with these as `landmarks`, and optionally `visibility` and `box`.

    Args:
      value: decoded JSON.
      where: file, and entry within it, for messages.

    Raises:
      DamagedRecord: if the value has another form.
    """
    fields = value if isinstance(value, Mapping) else {"landmarks": value}
    points = fields.get("landmarks")
    if not isinstance(points, list) or not points:
        raise DamagedRecord(f"{where}: found no landmarks, expected [[x, y], ...]")
    known = [_is_known(point) for point in points]
    positions = [point if has_position else [0, 0] for point, has_position in zip(points, known, strict=True)]
    landmarks = numbers_of(positions, (len(points), 2), f"{where}: landmarks")
    visibility = np.where(known, VISIBLE, UNKNOWN).astype(np.uint8)
    if fields.get("visibility") is not None:
        annotated = numbers_of(fields["visibility"], (len(points),), f"{where}: visibility")
        if not np.isin(annotated, (UNKNOWN, VISIBLE, OCCLUDED)).all():
            raise DamagedRecord(f"{where}: visibility has values other than 0, 1 and 2")
        visibility = np.where(known, annotated, UNKNOWN).astype(np.uint8)
    box = None if fields.get("box") is None else numbers_of(fields["box"], (4,), f"{where}: box")
    return Face(landmarks, visibility, box)


def _is_known(point: object) -> bool:
    """Whether a point has a position: null, or null for both coordinates, means that it has none."""
    return point is not None and point != [None, None]
