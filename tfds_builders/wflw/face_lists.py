"""The lists of WFLW: which there are, and the faces that their lines tell of."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from dsat_jax import schemes
from dsat_jax.records import DamagedRecord
from tfds_builders.wflw import lines

SCHEME = schemes.WFLW_98

# Faces of the official test set that have each attribute, in the order of the lists and of the papers' tables.
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
      file: relative to the dataset's folder.
      num_faces: how many the official list has.
      layout: of its lines.
      attribute: the one that all its faces have, where it is the list of a subset.
    """

    file: str
    num_faces: int
    layout: lines.Layout
    attribute: str | None = None


# By split. The short lists stand in for the full one of the test set where that is missing; those of subsets are
# splits only where the short list of the whole test set is missing, too.
FULL_LISTS = {
    "train": FaceList(f"{FULL}_train.txt", 7500, FULL_LAYOUT),
    "test": FaceList(f"{FULL}_test.txt", 2500, FULL_LAYOUT),
}
SHORT_LISTS = {"test": FaceList(f"{SHORT}.txt", 2500, SHORT_LAYOUT)} | {
    f"test_{name}": FaceList(f"{SHORT}_{name}.txt", ATTRIBUTES[attribute], SHORT_LAYOUT, attribute)
    for name, attribute in zip(("largepose", *list(ATTRIBUTES)[1:]), ATTRIBUTES, strict=True)
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """A line of a list: the face that it tells of, or what is wrong with it.

    Attributes:
      annotation: what the line says; None where it is damaged.
      damage: what is wrong with the line, if something is.
      attributes: those that the face has.
      face: which of its picture, from 0.
    """

    annotation: lines.Annotation | None
    damage: str = ""
    attributes: frozenset[str] = frozenset()
    face: int = 0

    @property
    def picture(self) -> str:
        """Path relative to the dataset's folder; empty for a damaged line."""
        return f"{PICTURES}/{self.annotation.picture}" if self.annotation else ""

    @property
    def key(self) -> str:
        """Tells the face from all others of its list."""
        return self.damage or f"{self.picture}#{self.face}"

    @property
    def identity(self) -> tuple[str, bytes]:
        """The same for the lines of a face in two lists."""
        return self.picture, self.annotation.landmarks.tobytes() if self.annotation else b""


def list_faces(root: pathlib.Path, face_lists: Mapping[str, FaceList]) -> dict[str, list[Sample]]:
    """The lines of some lists, by split, in their order.

    Args:
      root: the dataset's folder.
      face_lists: by split; all of them lie in the folder.
    """
    found = {
        split: [
            _read_line(face_list, number, text) for number, text in lines.read_lines(root / face_list.file)
        ]
        for split, face_list in face_lists.items()
    }
    return _number_faces(_look_up_attributes(face_lists, found))


def _read_line(face_list: FaceList, number: int, text: str) -> Sample:
    try:
        annotation = lines.parse_line(text, f"{face_list.file}, line {number}", face_list.layout)
    except DamagedRecord as damage:
        return Sample(None, damage=str(damage))
    return Sample(annotation, attributes=frozenset(name for name, truth in annotation.flags.items() if truth))


def _look_up_attributes(
    face_lists: Mapping[str, FaceList], found: Mapping[str, Sequence[Sample]]
) -> dict[str, list[Sample]]:
    """Gives each face the attributes of all the lists of subsets that it stands in."""
    listed = collections.defaultdict(frozenset)
    for split, face_list in face_lists.items():
        if face_list.attribute:
            for sample in found[split]:
                listed[sample.identity] |= {face_list.attribute}
    return {
        split: [
            dataclasses.replace(sample, attributes=sample.attributes | listed[sample.identity])
            for sample in samples
        ]
        for split, samples in found.items()
    }


def _number_faces(found: Mapping[str, Sequence[Sample]]) -> dict[str, list[Sample]]:
    """Numbers the faces of each picture; a face that stands in two lists has one number."""
    numbers = collections.defaultdict(dict)  # picture -> (identity, how often met in this list) -> number
    numbered = {}
    for split, samples in found.items():
        met = collections.Counter()
        numbered[split] = []
        for sample in samples:
            of_picture = numbers[sample.picture]
            face = of_picture.setdefault((sample.identity, met[sample.identity]), len(of_picture))
            met[sample.identity] += 1
            numbered[split].append(dataclasses.replace(sample, face=face))
    return numbered
