"""JD-landmark, see README.md in this folder."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import schemes
from dsat_jax.errors import counted
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError, face_builder, faces, pts
from tfds_builders.raw_files import PICTURE_SUFFIXES, list_files, read_file

SCHEME = schemes.JD_106
HOMEPAGE = "https://facial-landmarks-localization-challenge.github.io/"

SPLITS = {
    "train": tuple(f"Training_data/{source}" for source in ("AFW", "HELEN", "IBUG", "LFPW")),
    "valid": ("Test_data1",),
    "test": ("Test_data2",),
}

# Faces of the official distribution, by split.
OFFICIAL = {"train": 11_393, "valid": 2_000, "test": 2_000}

# Folder of landmarks that replace those of the same name.
CORRECTED = "Corrected_landmark"

# Folders of the boxes of the training faces: that of the archive, alone or inside a folder of the archive's name.
TRAINING_BOXES = (
    "training_dataset_face_detection_bounding_box",
    "training_dataset_face_detection_bounding_box_v1/training_dataset_face_detection_bounding_box",
    "training_dataset_face_detection_bounding_box_v1",
)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One annotated face: the paths of its files, relative to the dataset's folder; `box` is None without a box."""

    picture: str
    landmarks: str
    box: str | None


class Builder(face_builder.FaceBuilder):
    """JD-landmark, 106 landmarks: the faces of the 2019 challenge in the layout of its archives."""

    scheme = SCHEME
    official_faces = OFFICIAL

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
JD-landmark comes from {HOMEPAGE} (research use). Expected below manual_dir:
  Training_data/{{AFW,HELEN,IBUG,LFPW}}/{{picture,landmark}}/   11393 images, and IMAGE.jpg.txt for each IMAGE.jpg
  Test_data1/{{picture,landmark,rect}}/                       2000, the split valid; boxes in IMAGE.jpg.rect
  Test_data2/{{picture,landmark,rect}}/                       2000, the split test
  Corrected_landmark/                                       landmarks that replace those of the same name
  training_dataset_face_detection_bounding_box/             boxes of the training faces"""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(features=faces.features(SCHEME.num_points), homepage=HOMEPAGE)

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        corrected = _files(root, CORRECTED)
        samples_of = {split: self._list_split(root, split, corrected) for split in SPLITS}
        if not any(samples_of.values()):
            raise BuildError(f"{root}: no faces of JD-landmark here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        self._note_unused(corrected, [sample for samples in samples_of.values() for sample in samples])
        sources = {split: " or ".join(folders) for split, folders in SPLITS.items()}
        return self._shards_by_split(
            samples_of, lambda sample: f"{sample.picture}#0", lambda sample: _read(root, sample), sources
        )

    def _list_split(self, root: pathlib.Path, split: str, corrected: dict[str, str]) -> list[Sample]:
        """The annotated faces of a split, ordered by folder and name; notes differences from the official set."""
        samples = []
        for folder in SPLITS[split]:
            if (root / folder).is_dir():
                samples += self._list_folder(root, folder, split, corrected)
            else:
                self.log.note(f"{folder} ({split}): the folder is missing.")
        if samples:
            self._note_count(split, len(samples), OFFICIAL[split])
        without_box = sum(sample.box is None for sample in samples)
        if without_box:
            self.log.note(
                f"{split}: {counted(without_box, 'face')} without .rect: the box of the landmarks is used."
            )
        return samples

    def _list_folder(
        self, root: pathlib.Path, folder: str, split: str, corrected: dict[str, str]
    ) -> list[Sample]:
        pictures = _files(root, f"{folder}/picture", PICTURE_SUFFIXES)
        landmarks = _files(root, f"{folder}/landmark")
        boxes = {}
        for candidate in (f"{folder}/rect", *(TRAINING_BOXES if split == "train" else ())):
            boxes = _files(root, candidate) | boxes
        samples = []
        for name, path in pictures.items():
            annotation = corrected.get(f"{name}.txt") or landmarks.get(f"{name}.txt")
            if annotation:
                samples.append(Sample(path, annotation, boxes.get(f"{name}.rect")))
            else:
                self.log.incomplete[f"{path}: no {folder}/landmark/{name}.txt"].append(split)
        for name, path in landmarks.items():
            if name.removesuffix(".txt") not in pictures:
                self.log.incomplete[f"{path}: no image of that name"].append(split)
        return samples

    def _note_unused(self, corrected: dict[str, str], samples: list[Sample]) -> None:
        unused = sorted(set(corrected.values()) - {sample.landmarks for sample in samples})
        if unused:
            self.log.note(
                f"{CORRECTED}: {counted(len(unused), 'file')} without an image, the first is {unused[0]}."
            )


def _files(root: pathlib.Path, folder: str, suffixes: Sequence[str] = ()) -> dict[str, str]:
    """`list_files` as name -> path relative to the dataset's folder."""
    return {path.name: f"{folder}/{path.name}" for path in list_files(root / folder, suffixes)}


def _read(root: pathlib.Path, sample: Sample) -> dict[str, object]:
    """The arguments of `faces.make_record` for one face."""
    box = None if sample.box is None else parse_box(read_file(root, sample.box), sample.box)
    return {
        "picture": read_file(root, sample.picture),
        # Pixels count from 0: the rules of the challenge's later rounds define the top left corner as [0, 0].
        "landmarks": parse_landmarks(read_file(root, sample.landmarks), sample.landmarks),
        "box": box,
        "name": sample.picture,
    }


def parse_landmarks(data: bytes, name: str) -> np.ndarray:
    """Reads a landmark file: the line `106`, then 106 lines `x y`. Extra spaces and blank lines are allowed.

    Args:
      data: contents of the file.
      name: name of the file, for error messages.

    Returns:
      float64 [106, 2], 0-based pixels.

    Raises:
      DamagedRecord: if the file is not in this form; the message names the line.
    """
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise DamagedRecord(f"{name}, line 1: the file is empty, expected the line `106`")
    if lines[first].strip() != str(SCHEME.num_points):
        raise DamagedRecord(
            f"{name}, line {first + 1}: found {lines[first].strip()[:40]!r}, expected the line `106`"
        )
    points = pts.parse_points("\n".join(lines[first + 1 :]), name, first + 2)
    if len(points) != SCHEME.num_points:
        raise DamagedRecord(
            f"{name}, line {len(lines)}: the file ends after {len(points)} landmarks, expected 106"
        )
    return points


def parse_box(data: bytes, name: str) -> np.ndarray:
    """Reads a `.rect` file, one line `x1 y1 x2 y2`.

    Args:
      data: contents of the file.
      name: name of the file, for error messages.

    Returns:
      float64 [4] x_min, y_min, x_max, y_max.

    Raises:
      DamagedRecord: if the file is not in this form, or the box has no area.
    """
    lines = data.decode("utf-8-sig", errors="replace").strip().splitlines()
    if len(lines) != 1:
        raise DamagedRecord(f"{name}: found {len(lines)} lines, expected one, `x1 y1 x2 y2`")
    box = np.array(pts.parse_numbers(lines[0], f"{name}, line 1", "x1 y1 x2 y2"))
    if not (box[2:] > box[:2]).all():
        raise DamagedRecord(f"{name}, line 1: found the box {box.tolist()}, expected one with an area")
    return box
