"""COCO's keypoints: `images` with id and file_name, `annotations` with image_id, keypoints and optionally bbox.

COCO-WholeBody has the face of a person in `face_kpts`, `face_box` and `face_valid`, beside the keypoints of the body.
"""

import functools
import pathlib
import reprlib
from collections.abc import Iterator, Mapping

import numpy as np

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face, refuse
from tfds_builders.landmark_folder.json_form import numbers_of

_VISIBILITY = {0: UNKNOWN, 1: OCCLUDED, 2: VISIBLE}
_NO_BOX = (None, [], [0, 0, 0, 0])  # programs that know points alone write one of these


def fits(content: object) -> bool:
    """Whether decoded JSON is COCO's."""
    return isinstance(content, Mapping) and {"images", "annotations"} <= set(content)


def annotations(content: Mapping[str, object], path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The annotations with keypoints, in the order of the file.

    If there are categories of faces by their name, annotations of other categories are left out.

    Args:
      content: decoded JSON with `images` and `annotations`.
      path: path of the file, for error messages.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if images have no id and file_name or share an id, or annotations have no image_id.
    """
    try:
        images = [(image["id"], image["file_name"]) for image in content["images"]]
        entries = [(entry["image_id"], entry.get("id", i)) for i, entry in enumerate(content["annotations"])]
        names = dict(images)
        pictures = [names.get(image_id) for image_id, _ in entries]
    except (TypeError, KeyError) as error:
        raise BuildError(
            f"{path}: not COCO's form: every image needs id and file_name, every annotation image_id ({error!r})"
        ) from error
    _check_images(images, path)
    faces = _face_categories(content.get("categories"))
    for (image_id, name), picture, entry in zip(entries, pictures, content["annotations"], strict=True):
        if faces and entry.get("category_id") not in faces:
            continue
        where = f"{file}, annotation {reprlib.repr(name)}"
        keypoints, box = entry.get("keypoints"), entry.get("bbox")
        known = entry.get("num_keypoints") != 0
        if "face_kpts" in entry:
            keypoints, box = _of_whole_body(entry["face_kpts"]), entry.get("face_box")
            known = entry.get("face_valid", True)
        if keypoints in (None, []) or not known:
            continue  # a box or an outline only: COCO also annotates objects without points
        if picture is None:
            reason = f"{where}: no image has the id {reprlib.repr(image_id)}"
            yield Annotation("", where, functools.partial(refuse, reason))
        else:
            yield Annotation(picture, where, functools.partial(_read, keypoints, box, where))


def _face_categories(categories: object) -> list[object]:
    """The ids of the categories whose name has the word face; empty if there are no others, or none of faces."""
    if not isinstance(categories, list) or not all(isinstance(category, Mapping) for category in categories):
        return []
    faces = [category.get("id") for category in categories if "face" in str(category.get("name")).lower()]
    return faces if len(faces) < len(categories) else []


def _of_whole_body(keypoints: object) -> object:
    """COCO-WholeBody's keypoints of a face in COCO's form: its third number says whether a point was annotated."""
    if not isinstance(keypoints, list):
        return keypoints  # refused later
    return [2 if i % 3 == 2 and value == 1 else value for i, value in enumerate(keypoints)]


def _check_images(images: list[tuple[object, object]], path: pathlib.Path) -> None:
    seen = set()
    for image_id, name in images:
        if not isinstance(name, str):
            raise BuildError(
                f"{path}: found the file_name {reprlib.repr(name)}, expected the path of an image"
            )
        if image_id in seen:
            raise BuildError(f"{path}: several images have the id {reprlib.repr(image_id)}")
        seen.add(image_id)


def _read(keypoints: object, bbox: object, where: str) -> Face:
    count = len(keypoints) // 3 if isinstance(keypoints, list) else 0
    if not count:
        raise DamagedRecord(
            f"{where}: keypoints: found {reprlib.repr(keypoints)}, expected [x, y, visibility, ...]"
        )
    numbers = numbers_of(keypoints, (3 * count,), f"{where}: keypoints").reshape(-1, 3)  # x, y, visibility
    if not np.isin(numbers[:, 2], list(_VISIBILITY)).all():
        raise DamagedRecord(f"{where}: keypoints with a visibility other than 0, 1 and 2")
    visibility = np.array([_VISIBILITY[v] for v in numbers[:, 2]], np.uint8)
    box = None
    if bbox not in _NO_BOX:
        x, y, width, height = numbers_of(bbox, (4,), f"{where}: bbox")
        box = np.array([x, y, x + width, y + height])
    return Face(numbers[:, :2], visibility, box)
