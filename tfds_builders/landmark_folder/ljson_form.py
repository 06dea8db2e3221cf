""".ljson of menpo, versions 1 to 3: groups of points (y, x), one per face; null for a point without a position."""

import functools
from collections.abc import Iterator, Mapping

from tfds_builders.landmark_folder import json_form
from tfds_builders.landmark_folder.annotation import Annotation


def fits(content: object) -> bool:
    """Whether a JSON object is menpo's."""
    return (
        isinstance(content, Mapping)
        and "version" in content
        and {"groups", "landmarks"} & content.keys() != set()
    )


def annotations(picture: str, content: Mapping, file: str) -> Iterator[Annotation]:
    """The annotations of an image, one per group.

    Args:
      picture: path of the image.
      content: the JSON object.
      file: path of the file, for messages.
    """
    groups = _groups(content)
    for name, group in groups.items():
        where = f"{file}, group {name}" if len(groups) > 1 else file
        yield Annotation(picture, where, functools.partial(json_form.read_face, _turned(group), where))


def _groups(content: Mapping) -> dict[str, object]:
    """The points of each group, by name."""
    groups = content.get("groups", {"": content})
    if isinstance(groups, list):  # version 1
        groups = {
            group.get("label", i) if isinstance(group, Mapping) else i: group
            for i, group in enumerate(groups)
        }
    if not isinstance(groups, Mapping):
        return {"": groups}
    return {str(name): _points(group) for name, group in groups.items()}


def _points(group: object) -> object:
    """The points (y, x) of a group, or what stands in their place."""
    landmarks = group.get("landmarks") if isinstance(group, Mapping) else group
    if isinstance(landmarks, Mapping):
        return landmarks.get("points")
    if isinstance(landmarks, list):  # version 1
        return [point.get("point") if isinstance(point, Mapping) else point for point in landmarks]
    return landmarks


def _turned(points: object) -> object:
    """The points as (x, y); what is no list of pairs stays as it is, and is refused when it is read."""
    if not isinstance(points, list):
        return points
    return [point[::-1] if isinstance(point, list) else point for point in points]
