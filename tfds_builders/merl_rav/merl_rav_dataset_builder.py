"""MERL-RAV, see README.md in this folder."""

import dataclasses
import pathlib
import re

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import schemes
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE
from tfds_builders import BuildError, face_builder, faces, pts
from tfds_builders.raw_files import PICTURE_SUFFIXES, list_files, read_file

SCHEME = schemes.W300_68
HOMEPAGE = "https://github.com/abhi1kumar/MERL-RAV_dataset"

SPLITS = {"train": "trainset", "test": "testset"}

# Faces of the official distribution, by group of poses: train, test. 19,314 in all.
OFFICIAL = {
    "frontal": (8778, 2195),
    "left": (2080, 521),
    "lefthalf": (1180, 295),
    "right": (2190, 548),
    "righthalf": (1221, 306),
}

# Possible folders of AFLW's images; the first that has an image is used. They are the folders of MERL-RAV's script,
# those of AFLW's archives, and a single folder.
AFLW_FOLDERS = (
    *(f"{parent}/{part}" for parent in ("aflw/flickr", "aflw/data/flickr", "flickr") for part in "023"),
    "aflw",
)

# image00114_3.pts is the third face of image00114.jpg; a single face has no number.
_NUMBERED = re.compile(r"(?P<picture>.+)_(?P<face>[1-9]\d*)")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One annotated face.

    Attributes:
      picture: path of the image, relative to the dataset's folder.
      landmarks: path of the landmarks, relative to the dataset's folder.
      face: index of the face in its image, from 0.
      group: group of poses, a key of `OFFICIAL`.
    """

    picture: str
    landmarks: str
    face: int
    group: str


class Builder(face_builder.FaceBuilder):
    """MERL-RAV, 68 landmarks, each visible, occluded or without a position, on the images of AFLW."""

    scheme = SCHEME
    official_faces = dict(zip(SPLITS, map(sum, zip(*OFFICIAL.values(), strict=True)), strict=True))  # noqa: RUF012

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
MERL-RAV's landmarks come from {HOMEPAGE}, its images are AFLW's, from
https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw/ (research use). Expected below manual_dir:
  merl_rav_labels/{{frontal,left,lefthalf,right,righthalf}}/{{trainset,testset}}/labels/   19314 .pts
  aflw/flickr/{{0,2,3}}/                                                                AFLW's images"""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=faces.features(SCHEME.num_points, tuple(OFFICIAL)), homepage=HOMEPAGE
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        pictures = _find_pictures(root)
        samples_of = {split: self._list_split(root, split, pictures) for split in SPLITS}
        if not any(samples_of.values()):
            missing = "no images of AFLW" if self.log.incomplete else "no landmarks of MERL-RAV"
            raise BuildError(f"{root}: {missing} here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        sources = {split: f"merl_rav_labels/*/{folder}/labels" for split, folder in SPLITS.items()}
        return self._shards_by_split(
            samples_of,
            lambda sample: f"{sample.picture}#{sample.face}",
            lambda sample: self._read(root, sample),
            sources,
        )

    def _list_split(self, root: pathlib.Path, split: str, pictures: dict[str, str]) -> list[Sample]:
        """The annotated faces of a split, ordered by group and name; notes differences from the official set."""
        samples = {}
        for group, counts in OFFICIAL.items():
            folder = f"merl_rav_labels/{group}/{SPLITS[split]}/labels"
            files = list_files(root / folder, (".pts",))
            official = counts[list(SPLITS).index(split)]
            self._note_count(folder, len(files), official)
            for file in files:
                sample = self._sample(f"{folder}/{file.name}", group, split, pictures)
                if sample is None:
                    continue
                first = samples.setdefault((sample.picture, sample.face), sample)
                if first is not sample:
                    reason = f"{sample.landmarks}: the same face of {sample.picture} as {first.landmarks}"
                    self.log.incomplete[reason].append(split)
        return list(samples.values())

    def _sample(self, landmarks: str, group: str, split: str, pictures: dict[str, str]) -> Sample | None:
        """The sample of a face; None, and an entry in the log, if its image is missing."""
        stem = pathlib.PurePath(landmarks).stem
        numbered = _NUMBERED.fullmatch(stem)
        key = numbered["picture"] if numbered else stem
        if key not in pictures:
            self.log.incomplete[f"{landmarks}: no image {key}.jpg among AFLW's"].append(split)
            return None
        return Sample(pictures[key], landmarks, int(numbered["face"]) - 1 if numbered else 0, group)

    def _read(self, root: pathlib.Path, sample: Sample) -> dict[str, object]:
        """The arguments of `faces.make_record` for one face."""
        numbers = pts.parse_pts(read_file(root, sample.landmarks), sample.landmarks, SCHEME.num_points)
        landmarks, visibility = decode_signs(numbers)
        for i in np.flatnonzero((numbers[:, 0] < 0) != (numbers[:, 1] < 0)):
            position = f"{numbers[i, 0]:g} {numbers[i, 1]:g}"
            self.log.note(
                f"{sample.landmarks}: landmark {i} is {position}, its signs differ: stored as unknown."
            )
        return {
            "picture": read_file(root, sample.picture),
            "landmarks": landmarks,
            "visibility": visibility,
            "name": sample.picture,
            "face": sample.face,
            "attributes": {group: group == sample.group for group in OFFICIAL},
        }


def decode_signs(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decodes MERL-RAV's signs.

    Args:
      numbers: [landmarks, 2], the unchanged numbers of the file: (x, y) visible, (-x, -y) occluded by something
        else, (-1, -1) hidden by the face itself and without a position. If only one sign is negative, the landmark
        counts as unknown.

    Returns:
      Positions, float64 [landmarks, 2] in pixels, and visibility, uint8 [landmarks], UNKNOWN, VISIBLE or OCCLUDED.
      The positions are the absolute values, not one less as in 300W: MERL-RAV's documents do not state whether its
      pixels count from 0 or 1, and the authors' readers subtract nothing.
    """
    negative = numbers < 0
    unknown = (numbers == -1).all(axis=1) | (negative[:, 0] != negative[:, 1])
    visibility = np.where(unknown, UNKNOWN, np.where(negative[:, 0], OCCLUDED, VISIBLE))
    return np.abs(numbers), visibility.astype(np.uint8)


def _find_pictures(root: pathlib.Path) -> dict[str, str]:
    """The images of AFLW: stem -> path relative to the dataset's folder."""
    pictures = {}
    for folder in AFLW_FOLDERS:
        for file in list_files(root / folder, PICTURE_SUFFIXES):
            pictures.setdefault(file.stem, f"{folder}/{file.name}")
    return pictures
