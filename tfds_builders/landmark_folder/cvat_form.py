"""XML of CVAT for images 1.1: `<points>` and `<skeleton>` elements of `<image>`; other elements are ignored."""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError, pts
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of, grouped


def annotations(root: Element, path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The faces of all images, in the order of the file.

    A face is a skeleton, a `<points>` element with several points in the order of the scheme, or the elements with one
    point each, whose labels are the names, that have the same group_id.

    Args:
      root: element `<annotations>`.
      path: path of the file, for error messages.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if the file is that of a video.
    """
    if root.find("track") is not None:
        raise BuildError(f"{path}: found tracks of a video, expected the export CVAT for images 1.1")
    for image in root.iter("image"):
        yield from _of_image(image, file)


def _of_image(image: Element, file: str) -> Iterator[Annotation]:
    name = image.get("name", "")
    single = grouped(
        (element.get("group_id"), element) for element in image.findall("points") if _is_single(element)
    )
    for number, element in enumerate(image):
        where = f"{file}, {name}, element {number}"
        if element.tag == "skeleton":
            read = functools.partial(
                _read_named, element.findall("points"), where, "a skeleton for each face"
            )
            yield Annotation(name, where, read, named=True)
        elif element.tag == "points" and not _is_single(element):
            yield Annotation(name, where, functools.partial(_read_points, element, where))
        elif element.tag == "points" and (elements := single.pop(element.get("group_id"), None)):
            read = functools.partial(_read_named, elements, where, "a group for each face of an image")
            yield Annotation(name, where, read, named=True)


def _is_single(element: Element) -> bool:
    return ";" not in element.get("points", "")


def _read_points(element: Element, where: str) -> Face:
    positions = [_position(text, where) for text in element.get("points", "").split(";")]
    return Face(np.array(positions), np.full(len(positions), _visibility(element), np.uint8))


def _read_named(elements: Sequence[Element], where: str, mark: str) -> Face:
    points = []
    for element in elements:
        label, visibility = element.get("label", ""), _visibility(element)
        position = (0.0, 0.0)
        if visibility != UNKNOWN:  # CVAT puts a point that is outside anywhere
            position = _position(element.get("points", ""), f"{where}, point {label!r}")
        points.append(NamedPoint(label, position, visibility))
    if not points:
        raise DamagedRecord(f"{where}: found a skeleton without points")
    return face_of(points, where, mark)


def _position(text: str, where: str) -> list[float]:
    return pts.parse_numbers(" ".join(text.split(",")), where, "x y")


def _visibility(element: Element) -> int:
    if element.get("outside") == "1":
        return UNKNOWN
    return OCCLUDED if element.get("occluded") == "1" else VISIBLE
