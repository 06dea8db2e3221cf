"""labelme's JSON of one image: `shapes`, of which those of type `point` are read; other shapes are ignored."""

import functools
import reprlib
from collections.abc import Iterator, Mapping, Sequence

from dsat_jax.records import VISIBLE, DamagedRecord
from tfds_builders.landmark_folder.annotation import Annotation, Face, refuse
from tfds_builders.landmark_folder.json_form import numbers_of
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of, grouped

_MARK = "another group_id for each face of an image"


def fits(content: object) -> bool:
    """Whether the decoded JSON of an image is labelme's."""
    return isinstance(content, Mapping) and "shapes" in content and not {"landmarks", "faces"} & set(content)


def annotations(picture: str, content: Mapping[str, object], source: str) -> Iterator[Annotation]:
    """The faces of an image, one for each group_id in the order of the file.

    Args:
      picture: path of the image.
      content: decoded JSON with `shapes`.
      source: file, for messages.
    """
    shapes = content["shapes"]
    if not isinstance(shapes, list) or not all(_is_shape(shape) for shape in shapes):
        reason = f"{source}: shapes: found {reprlib.repr(shapes)}, expected a list of labelme's shapes"
        yield Annotation(picture, source, functools.partial(refuse, reason))
        return
    faces = grouped((shape.get("group_id"), shape) for shape in shapes if shape.get("shape_type") == "point")
    for mark, points in faces.items():
        where = source if len(faces) == 1 else f"{source}, group_id {reprlib.repr(mark)}"
        yield Annotation(picture, where, functools.partial(_read, points, where), named=True)


def _is_shape(shape: object) -> bool:
    return isinstance(shape, Mapping) and isinstance(shape.get("group_id"), str | int | None)


def _read(shapes: Sequence[Mapping[str, object]], where: str) -> Face:
    points = []
    for shape in shapes:
        label = shape.get("label")
        if not isinstance(label, str):
            raise DamagedRecord(f"{where}: found the label {reprlib.repr(label)}, expected a name")
        (position,) = numbers_of(shape.get("points"), (1, 2), f"{where}, point {label!r}")
        points.append(NamedPoint(label, position, VISIBLE))
    return face_of(points, where, _MARK)
