"""AFLW-19, see README.md in this folder."""

import collections
import functools
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import schemes
from dsat_jax.errors import counted
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError, face_builder, faces
from tfds_builders.aflw19 import info_mat
from tfds_builders.mat_files import check_flags
from tfds_builders.raw_files import read_file, stays_inside

SCHEME = schemes.AFLW_19
PICTURES = "flickr"
NUM_TRAIN = 20_000  # of the faces in the order of `ra`; the others are for testing
OFFICIAL = {"train": 20_000, "test_full": 4_386, "test_frontal": 1_314}


class Builder(face_builder.FaceBuilder):
    """AFLW with 19 landmarks on faces in all poses, each landmark marked as visible or hidden.

    Hidden landmarks are annotated too, and stored as occluded.
    """

    scheme = SCHEME
    official_faces = OFFICIAL

    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
AFLW comes from https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw/ (research use, on
request), the annotation from http://mmlab.ie.cuhk.edu.hk/projects/compositional.html. Expected below manual_dir:
  AFLWinfo_release.mat       24386 faces
  flickr/0/                  the images
  flickr/2/
  flickr/3/"""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=faces.features(SCHEME.num_points),
            homepage="https://mmlab.ie.cuhk.edu.hk/projects/compositional.html",
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        for part in (info_mat.NAME, PICTURES):
            if not (root / part).exists():
                raise BuildError(f"{root}: no {part} here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        info = info_mat.read_info(root)
        test = info.order[NUM_TRAIN:]
        rows = {
            "train": info.order[:NUM_TRAIN],
            "test_full": test,
            "test_frontal": test[(info.mask[test] == 1).all(axis=1)],
        }
        shards = {}
        for split, chosen in rows.items():
            self._note_count(split, len(chosen), OFFICIAL[split])
            usable = self._usable(root, info, split, chosen)
            if usable:
                shards[split] = self._shards(
                    split, usable, functools.partial(_key, info), functools.partial(_read, root, info)
                )
            else:
                self.log.note(f"{split}: left out, it has no faces.")
        if not shards:
            raise BuildError(
                f"{root}: no face of {info_mat.NAME} has its image here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        return shards

    def _usable(self, root: pathlib.Path, info: info_mat.Info, split: str, rows: Sequence[int]) -> list[int]:
        """The rows that have an image and a visible landmark; logs the others."""
        usable, skipped = [], collections.Counter()
        for row in rows:
            if problem := _missing_part(root, info, row):
                self.log.incomplete[f"{_label(info, row)}: {problem}"].append(split)
                skipped[problem] += 1
            else:
                usable.append(int(row))
        for problem, count in skipped.items():
            self.log.note(f"{split}: skipped {counted(count, 'face')}: {problem}.")
        lost = (info.mask[usable] == 0) & (_visibility(info, usable) == UNKNOWN)
        if lost.any():
            self.log.note(
                f"{split}: {counted(lost.sum(), 'hidden landmark')} without a position near the face: unknown."
            )
        return usable


def _missing_part(root: pathlib.Path, info: info_mat.Info, row: int) -> str:
    """The reason why a face is incomplete, or an empty text."""
    if not info.mask[row].any():
        return "no visible landmark"
    # A name that leads out of the folder is not checked here, since `_read` refuses it.
    if stays_inside(info.pictures[row]) and not os.path.isfile(root / PICTURES / info.pictures[row]):
        return "no such image"
    return ""


def _read(root: pathlib.Path, info: info_mat.Info, row: int) -> dict[str, object]:
    """The arguments of `faces.make_record` for one face."""
    where = f"{info_mat.NAME}, row {row + 1}"
    if not stays_inside(info.pictures[row]):
        raise DamagedRecord(
            f"{where}: found the image {info.pictures[row]!r}, expected a path below {PICTURES}/"
        )
    check_flags(info.mask[row], f"{where}, mask_new", DamagedRecord)
    name = f"{PICTURES}/{info.pictures[row]}"
    return {
        "picture": read_file(root, name),
        "landmarks": info.landmarks[row],
        "visibility": _visibility(info, row),
        "box": info.boxes[row],
        "name": name,
        "face": info.numbers[row],
    }


def _visibility(info: info_mat.Info, rows: int | Sequence[int]) -> np.ndarray:
    """The feature `visibility` of one face, [19], or of several, [faces, 19].

    A hidden landmark is occluded if its position in the file is not farther from the face box than the box is wide
    and high, and otherwise unknown.
    """
    low, high = info.boxes[rows, None, :2], info.boxes[rows, None, 2:]  # [..., 1, 2]
    with np.errstate(invalid="ignore", over="ignore"):  # `faces.make_record` refuses a box that is not finite
        side = high - low
        near = (info.landmarks[rows] >= low - side) & (info.landmarks[rows] <= high + side)
    hidden = np.where(near.all(axis=-1), OCCLUDED, UNKNOWN)
    return np.where(info.mask[rows] == 1, VISIBLE, hidden)


def _key(info: info_mat.Info, row: int) -> str:
    return f"{PICTURES}/{info.pictures[row]}#{info.numbers[row]}"


def _label(info: info_mat.Info, row: int) -> str:
    """A face's name, as in the errors of `faces.make_record`."""
    name = f"{PICTURES}/{info.pictures[row]}"
    return f"{name}, face {info.numbers[row]}" if info.numbers[row] else name
