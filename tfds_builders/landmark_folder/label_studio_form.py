"""Label Studio's exports JSON and JSON-MIN: a list of tasks whose keypoints are in percent of the image's sides."""

import functools
import pathlib
import re
import reprlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence

from dsat_jax.files import image_files
from dsat_jax.records import VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.json_form import numbers_of
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of, grouped

_LABELS = "keypointlabels"
_MARK = "a region for each face, to which its points belong"
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio puts this before the name of an uploaded image


def fits(content: object) -> bool:
    """Whether the decoded JSON is a list of Label Studio's tasks."""
    return isinstance(content, list) and bool(content) and all(map(_is_task, content))


def annotations(
    content: Sequence[Mapping[str, object]], path: pathlib.Path, file: str
) -> Iterator[Annotation]:
    """The faces of all tasks; those of an image are told apart by the region that their points belong to.

    Args:
      content: decoded JSON, a list of tasks.
      path: path of the file, for error messages.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if a task with keypoints names no image, or one that the folder cannot have.
    """
    for number, task in enumerate(content):
        where = f"{file}, task {reprlib.repr(task.get('id', number))}"
        faces = grouped((str(point.get("parentID")), point) for point in _keypoints(task))
        if not faces:
            continue
        address = _address(task)
        if address is None:
            raise BuildError(f"{path}: {where} has no address of an image")
        picture = _file_of(address)
        uploaded_as = _UPLOAD.sub("", picture, count=1) if _UPLOAD.match(picture) else ""
        for face, points in enumerate(faces.values()):
            place = where if len(faces) == 1 else f"{where}, face {face}"
            read = functools.partial(_read, points, place)
            yield Annotation(picture, place, read, named=True, other_name=uploaded_as)


def _is_task(task: object) -> bool:
    if not isinstance(task, Mapping):
        return False
    return isinstance(task.get("data"), Mapping) or _address(task) is not None


def _keypoints(task: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The keypoints of a task, each with x, y and its labels in one object."""
    if "data" not in task:  # JSON-MIN
        fields = [value for value in task.values() if isinstance(value, list)]
        return [
            point for field in fields for point in field if isinstance(point, Mapping) and _LABELS in point
        ]
    attempts = task.get("annotations", task.get("completions"))
    attempts = attempts if isinstance(attempts, list) else []
    attempts = [attempt for attempt in attempts if isinstance(attempt, Mapping)]
    results = [attempt.get("result") for attempt in attempts if not attempt.get("was_cancelled")]
    regions = [region for result in results if isinstance(result, list) for region in result]
    return [
        {**region, **region["value"]}
        for region in regions
        if isinstance(region, Mapping)
        and region.get("type") == _LABELS
        and isinstance(region.get("value"), Mapping)
    ]


def _address(task: Mapping[str, object]) -> str | None:
    """The address of a task's image; the name of its field is free."""
    values = task["data"].values() if isinstance(task.get("data"), Mapping) else task.values()
    texts = [value for value in values if isinstance(value, str)]
    suffixes = tuple(image_files.SUFFIXES)
    return next((text for text in texts if _path_of(text).lower().endswith(suffixes)), None)


def _path_of(address: str) -> str:
    """The path in an address: of local files it is in the query, as in /data/local-files/?d=photos/a.jpg."""
    path, _, query = address.partition("?")
    local = urllib.parse.parse_qs(query).get("d")
    return local[0] if local else urllib.parse.unquote(path)


def _file_of(address: str) -> str:
    """The file name of an address, because its folders are those of Label Studio; local files keep their folders."""
    path = _path_of(address)
    return path if "?d=" in address else path.rpartition("/")[2]


def _read(points: Sequence[Mapping[str, object]], where: str) -> Face:
    named = []
    for point in points:
        labels = point.get(_LABELS)
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise DamagedRecord(f"{where}: {_LABELS}: found {reprlib.repr(labels)}, expected one name")
        if point.get("image_rotation") not in (None, 0):
            raise DamagedRecord(f"{where}: the image is turned in Label Studio, expected image_rotation 0")
        position = numbers_of([point.get("x"), point.get("y")], (2,), f"{where}, point {labels[0]!r}")
        named.append(NamedPoint(labels[0], position, VISIBLE))
    return face_of(named, where, _MARK, unit="percent")
