"""XML of dlib's imglab: `<image file>` with a `<box>` for each face, and in it a `<part name x y>` for each point."""

import functools
import pathlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import numpy as np

from dsat_jax.records import VISIBLE
from tfds_builders import pts
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of

_BOX = "left top width height"


def annotations(root: Element, path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The boxes with points, in the order of the file; boxes that imglab calls ignored are left out.

    Args:
      root: element `<dataset>`.
      path: path of the file, for error messages.
      file: path relative to the folder, for messages.
    """
    del path
    for image in root.iter("image"):
        name = image.get("file", "")
        boxes = [box for box in image.findall("box") if box.find("part") is not None]
        for number, box in enumerate(boxes):
            if box.get("ignore") != "1":
                where = f"{file}, {name}, box {number}"
                yield Annotation(name, where, functools.partial(_read, box, where), named=True)


def _read(box: Element, where: str) -> Face:
    sides = " ".join(box.get(side, "?") for side in _BOX.split())
    left, top, width, height = pts.parse_numbers(sides, where, _BOX)
    points = []
    for part in box.findall("part"):
        name = part.get("name", "")
        position = f"{part.get('x', '?')} {part.get('y', '?')}"
        points.append(
            NamedPoint(name, pts.parse_numbers(position, f"{where}, part {name!r}", "x y"), VISIBLE)
        )
    # The last column and the last row belong to the box: its right side is at left + width - 1.
    corners = np.array([left, top, left + width - 1, top + height - 1])
    return face_of(points, where, "another box for each face", corners)
