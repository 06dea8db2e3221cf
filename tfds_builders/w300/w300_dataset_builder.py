"""300W, see README.md in this folder."""

import dataclasses
import pathlib

import tensorflow_datasets as tfds

from dsat_jax import schemes
from tfds_builders import BuildError, face_builder, faces, pts
from tfds_builders.raw_files import PICTURE_SUFFIXES, list_files, read_file

SCHEME = schemes.W300_68

# Faces of the official distribution, by folder.
OFFICIAL = {
    "afw": 337,
    "helen/trainset": 2000,
    "helen/testset": 330,
    "lfpw/trainset": 811,
    "lfpw/testset": 224,
    "ibug": 135,
}

SPLITS = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "test_common": ("helen/testset", "lfpw/testset"),
    "test_challenging": ("ibug",),
    "test_full": ("helen/testset", "lfpw/testset", "ibug"),
    "helen_test": ("helen/testset",),
    "lfpw_test": ("lfpw/testset",),
}
OFFICIAL_SPLITS = {split: sum(OFFICIAL[folder] for folder in folders) for split, folders in SPLITS.items()}


@dataclasses.dataclass(frozen=True)
class Sample:
    """One annotated face: the paths of image and landmarks, relative to the dataset's folder."""

    picture: str
    landmarks: str


class Builder(face_builder.FaceBuilder):
    """300W, 68 landmarks: afw, helen, lfpw and ibug in the layout of the official distribution."""

    scheme = SCHEME
    official_faces = OFFICIAL_SPLITS

    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
300W comes from https://ibug.doc.ic.ac.uk/resources/300-W/ (research use). Expected below manual_dir:
  afw/                        337 images, .jpg or .png, each with a .pts of the same name
  helen/trainset/            2000
  helen/testset/              330
  lfpw/trainset/              811
  lfpw/testset/               224
  ibug/                       135"""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=faces.features(SCHEME.num_points), homepage="https://ibug.doc.ic.ac.uk/resources/300-W/"
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        by_folder = {folder: self._list_folder(root, folder) for folder in OFFICIAL}
        if not any(by_folder.values()):
            raise BuildError(f"{root}: no faces of 300W here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        samples = {
            split: [sample for folder in folders for sample in by_folder[folder]]
            for split, folders in SPLITS.items()
        }
        sources = {split: " or ".join(folders) for split, folders in SPLITS.items()}
        return self._shards_by_split(
            samples, lambda sample: f"{sample.picture}#0", lambda sample: _read(root, sample), sources
        )

    def _list_folder(self, root: pathlib.Path, folder: str) -> list[Sample]:
        """The annotated faces of a folder, ordered by name; notes differences from the official set."""
        splits = [split for split, folders in SPLITS.items() if folder in folders]
        where = f"{folder} ({', '.join(splits)})"
        if not (root / folder).is_dir():
            self.log.note(f"{where}: the folder is missing, and with it {OFFICIAL[folder]} faces.")
            return []
        pictures = {path.stem: path for path in list_files(root / folder, PICTURE_SUFFIXES)}
        landmarks = {path.stem: path for path in list_files(root / folder, (".pts",))}
        for stem in sorted(pictures.keys() ^ landmarks.keys()):
            files, missing = (pictures, ".pts") if stem in pictures else (landmarks, "image")
            self.log.incomplete[f"{folder}/{files[stem].name}: no {missing} of the same name"] += splits
        stems = sorted(pictures.keys() & landmarks.keys())
        self._note_count(where, len(stems), OFFICIAL[folder])
        return [
            Sample(f"{folder}/{pictures[stem].name}", f"{folder}/{landmarks[stem].name}") for stem in stems
        ]


def _read(root: pathlib.Path, sample: Sample) -> dict[str, object]:
    """The arguments of `faces.make_record` for one face."""
    data = read_file(root, sample.landmarks)
    points = pts.parse_pts(data, sample.landmarks, SCHEME.num_points)
    return {
        "picture": read_file(root, sample.picture),
        "landmarks": points - 1.0,  # the files count pixels from 1
        "name": sample.picture,
    }
