"""The order of points that have names in a labelling program: from landmarks.json, or from the numbers in the names."""

import collections
import dataclasses
import functools
import pathlib
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from dsat_jax.records import UNKNOWN, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.options import FILE

_SHOWN = 3  # names in a message


@dataclasses.dataclass(frozen=True)
class NamedPoint:
    """A point of a face.

    Attributes:
      name: what the labelling program calls it; empty without a name.
      position: x and y, the unchanged numbers of the file.
      visibility: records.UNKNOWN, VISIBLE or OCCLUDED.
    """

    name: str
    position: Sequence[float]
    visibility: int


def grouped(points: Iterable[tuple[Hashable, object]]) -> Mapping[Hashable, list]:
    """Returns the points of each face, in the order of the file, from pairs of a face's mark and a point."""
    faces: dict[Hashable, list] = {}
    for mark, point in points:
        faces.setdefault(mark, []).append(point)
    return faces


def face_of(
    points: Sequence[NamedPoint],
    where: str,
    mark: str,
    box: np.ndarray | None = None,
    unit: str | None = None,
) -> Face:
    """Returns the face of some named points.

    Args:
      points: points in any order, all with names.
      where: file and face, for error messages.
      mark: how the program tells the faces of an image apart, for error messages.
      box: as in `Face`.
      unit: as in `Face`.

    Raises:
      DamagedRecord: if two points have the same name, or a point has none.
    """
    names = [point.name for point in points]
    if "" in names:
        raise DamagedRecord(f"{where}: found a point without a name beside points with names")
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise DamagedRecord(
            f"{where}: {names.count(repeated[0])} points have the name {repeated[0]!r}, expected another name for each "
            f"point of a face, and {mark}"
        )
    positions = np.array([point.position for point in points], np.float64).reshape(-1, 2)
    visibility = np.array([point.visibility for point in points], np.uint8)
    return Face(positions, visibility, box, names, unit)


def in_order(
    root: pathlib.Path,
    annotations: Sequence[Annotation],
    names: Sequence[str] | None,
    num_points: int | None,
) -> list[Annotation]:
    """Returns annotations whose faces have their points in the order of the scheme.

    Points that a face does not have are UNKNOWN. Faces whose points have no names are unchanged.

    Args:
      root: the folder.
      annotations: annotations of all faces.
      names: all names in the order of the scheme; None for the order of the numbers in them.
      num_points: number of points of the scheme; None if the folder states none.

    Raises:
      BuildError: if the numbers in the names do not say the order, or there are `names` for points without a name.
    """
    if not any(annotation.named for annotation in annotations):
        if names is not None and annotations:
            raise BuildError(
                f"{root / FILE}: names is for points with names, those of {annotations[0].source} have none"
            )
        return list(annotations)
    if names is None:
        order = _numbered(root, _found(annotations), num_points)
    else:
        order = {name: index for index, name in enumerate(names)}
    count = num_points if names is None and num_points else len(names or order)
    return [
        dataclasses.replace(annotation, read=functools.partial(_reordered, annotation, order, count))
        if annotation.named
        else annotation
        for annotation in annotations
    ]


def _found(annotations: Iterable[Annotation]) -> list[str]:
    """All names of the faces that can be read, in the order of the files."""
    found: dict[str, None] = {}
    for annotation in annotations:
        if annotation.named:
            try:
                found.update(dict.fromkeys(annotation.read().names))
            except DamagedRecord:  # it is skipped and listed when its record is made
                continue
    return list(found)


def _numbered(root: pathlib.Path, found: Sequence[str], num_points: int | None) -> dict[str, int]:
    """The index of each name from its number; they count from 0 or 1 without a gap that leaves this open."""
    numbers = {name: [int(digits) for digits in re.findall(r"\d{1,9}", name, re.ASCII)] for name in found}
    single = {name: number[0] for name, number in numbers.items() if len(number) == 1}
    by_number: dict[int, str] = {}
    problem = ""
    for name in found:
        if name not in single:
            problem = f"{name!r} has {'no number' if not numbers[name] else 'several numbers'}"
        elif by_number.setdefault(single[name], name) != name:
            problem = f"{by_number[single[name]]!r} and {name!r} have the same number"
        if problem:
            break
    count = num_points or len(found)
    if not problem and found:
        first, last = min(by_number), max(by_number)
        # Without the first and the last of all numbers, those in between may count from 0 or from 1.
        start = 0 if first == 0 else 1 if last == count else None
        if start is not None and start <= first and last < start + count:
            return {name: number - start for name, number in single.items()}
        problem = f"their numbers go from {first} to {last}, expected {count} numbers from 0 or 1"
    if not found:
        return {}
    shown = ", ".join(f'"{name}"' for name in found[:_SHOWN])
    raise BuildError(
        f"{root}: the names of the points do not say their order: {problem}; add all names in the order of the scheme "
        f'to {FILE}, such as "names": [{shown}{", ..." if len(found) > _SHOWN else ""}]'
    )


def _reordered(annotation: Annotation, order: Mapping[str, int], count: int) -> Face:
    face = annotation.read()
    unknown = [name for name in face.names if name not in order]
    if unknown:
        raise DamagedRecord(
            f"{annotation.source}: found the point {unknown[0]!r}, which `names` does not have"
        )
    places = [order[name] for name in face.names]
    landmarks, visibility = np.zeros((count, 2)), np.full(count, UNKNOWN, np.uint8)
    landmarks[places], visibility[places] = face.landmarks, face.visibility
    return Face(landmarks, visibility, face.box, unit=face.unit)
