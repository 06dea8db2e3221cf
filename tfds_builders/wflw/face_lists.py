"""The lists of WFLW, and the faces in their lines."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from dsat_jax import schemes
from dsat_jax.records import DamagedRecord
from tfds_builders.wflw import lines

SCHEME = schemes.WFLW_98

# Number of faces of the official test set with each attribute, in the order of the lists and of the papers' tables.
ATTRIBUTES = {
    "pose": 326,
    "expression": 314,
    "illumination": 698,
    "makeup": 206,
    "occlusion": 736,
    "blur": 773,
}

PICTURES = "WFLW_images"
FULL = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr"
SHORT = "WFLW_annotations/list_98pt_test/list_98pt_test"

FULL_LAYOUT = lines.Layout(SCHEME.num_points, box=True, flags=tuple(ATTRIBUTES))  # 207 fields
SHORT_LAYOUT = lines.Layout(SCHEME.num_points)  # 197 fields


@dataclasses.dataclass(frozen=True)
class FaceList:
    """A list of the official distribution.

    Attributes:
      file: path relative to the dataset's folder.
      num_faces: number of faces in the official list.
      layout: layout of the lines.
      attribute: attribute of all faces of the list if it is that of a subset, else None.
    """

    file: str
    num_faces: int
    layout: lines.Layout
    attribute: str | None = None


# By split. The short lists replace the full list of the test set if that is missing. The lists of subsets become
# splits only if the short list of the whole test set is missing too.
FULL_LISTS = {
    "train": FaceList(f"{FULL}_train.txt", 7500, FULL_LAYOUT),
    "test": FaceList(f"{FULL}_test.txt", 2500, FULL_LAYOUT),
}
SHORT_LISTS = {"test": FaceList(f"{SHORT}.txt", 2500, SHORT_LAYOUT)} | {
    f"test_{name}": FaceList(f"{SHORT}_{name}.txt", ATTRIBUTES[attribute], SHORT_LAYOUT, attribute)
    for name, attribute in zip(("largepose", *list(ATTRIBUTES)[1:]), ATTRIBUTES, strict=True)
}
OFFICIAL = {split: faces.num_faces for split, faces in (FULL_LISTS | SHORT_LISTS).items()} | {
    f"test/{name}": count for name, count in ATTRIBUTES.items()
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """A line of a list: a face, or the reason why the line is damaged.

    Attributes:
      annotation: contents of the line; None if it is damaged.
      damage: reason why the line is damaged; empty if it is not.
      attributes: attributes of the face.
      face: index of the face in its image, from 0.
    """

    annotation: lines.Annotation | None
    damage: str = ""
    attributes: frozenset[str] = frozenset()
    face: int = 0

    @property
    def picture(self) -> str:
        """Path of the image relative to the dataset's folder; empty for a damaged line."""
        return f"{PICTURES}/{self.annotation.picture}" if self.annotation else ""

    @property
    def key(self) -> str:
        """A text that is unique in the list."""
        return self.damage or f"{self.picture}#{self.face}"

    @property
    def identity(self) -> tuple[str, bytes]:
        """A value that is the same for the lines of one face in two lists."""
        return self.picture, self.annotation.landmarks.tobytes() if self.annotation else b""


def list_faces(root: pathlib.Path, face_lists: Mapping[str, FaceList]) -> dict[str, list[Sample]]:
    """The lines of some lists, by split, in the order of the lists.

    Args:
      root: the dataset's folder.
      face_lists: split -> list; all of the lists exist.
    """
    samples_of = {
        split: [
            _read_line(face_list, number, text) for number, text in lines.read_lines(root / face_list.file)
        ]
        for split, face_list in face_lists.items()
    }
    return _number_faces(_look_up_attributes(face_lists, samples_of))


def _read_line(face_list: FaceList, number: int, text: str) -> Sample:
    try:
        annotation = lines.parse_line(text, f"{face_list.file}, line {number}", face_list.layout)
    except DamagedRecord as damage:
        return Sample(None, damage=str(damage))
    return Sample(annotation, attributes=frozenset(name for name, flag in annotation.flags.items() if flag))


def _look_up_attributes(
    face_lists: Mapping[str, FaceList], samples_of: Mapping[str, Sequence[Sample]]
) -> dict[str, list[Sample]]:
    """Gives each face the attributes of all the lists of subsets that contain it."""
    listed = collections.defaultdict(frozenset)
    for split, face_list in face_lists.items():
        if face_list.attribute:
            for sample in samples_of[split]:
                listed[sample.identity] |= {face_list.attribute}
    return {
        split: [
            dataclasses.replace(sample, attributes=sample.attributes | listed[sample.identity])
            for sample in samples
        ]
        for split, samples in samples_of.items()
    }


def _number_faces(samples_of: Mapping[str, Sequence[Sample]]) -> dict[str, list[Sample]]:
    """Numbers the faces of each image; a face in two lists has the same number in both."""
    numbers = collections.defaultdict(
        dict
    )  # image -> (identity, its occurrences so far in the list) -> number
    numbered = {}
    for split, samples in samples_of.items():
        seen = collections.Counter()
        numbered[split] = []
        for sample in samples:
            of_image = numbers[sample.picture]
            face = of_image.setdefault((sample.identity, seen[sample.identity]), len(of_image))
            seen[sample.identity] += 1
            numbered[split].append(dataclasses.replace(sample, face=face))
    return numbered
