"""WFLW, see README.md in this folder."""

import collections
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds

from dsat_jax.errors import counted
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError, face_builder, faces
from tfds_builders.raw_files import read_file
from tfds_builders.wflw import face_lists
from tfds_builders.wflw.face_lists import ATTRIBUTES, FULL_LISTS, SCHEME, SHORT_LISTS, FaceList, Sample


class Builder(face_builder.FaceBuilder):
    """WFLW, 98 landmarks and six attributes: images and lists in the layout of the official distribution."""

    scheme = SCHEME
    official_faces = face_lists.OFFICIAL

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
WFLW comes from https://wywu.github.io/projects/LAB/WFLW.html. Expected below manual_dir:
  {face_lists.PICTURES}/0--Parade/ ...   the images
  {face_lists.FULL}_train.txt   7500 faces
  {face_lists.FULL}_test.txt    2500
or, instead of the latter, some of
  {face_lists.SHORT}.txt
  {face_lists.SHORT}_{{largepose,expression,illumination,makeup,occlusion,blur}}.txt"""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=faces.features(SCHEME.num_points, tuple(ATTRIBUTES)),
            homepage="https://wywu.github.io/projects/LAB/WFLW.html",
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        chosen = self._choose_lists(root)
        samples_of = face_lists.list_faces(root, chosen)
        self._note_counts(chosen, samples_of)
        shards = {}
        for split, samples in samples_of.items():
            if chosen[split].attribute and "test" in chosen:  # `test` has its faces, with this attribute
                self._log_damage(split, samples)
                continue
            usable = self._with_pictures(root, split, samples)
            if any(sample.annotation for sample in usable):
                shards[split] = self._shards(
                    split,
                    usable,
                    lambda sample: sample.key,
                    functools.partial(_read, root),
                    num_records=len(samples),
                )
            else:
                self.log.note(f"{split}: left out, the list has no face with an existing image.")
                self._log_damage(split, samples)
        if not shards:
            raise BuildError(f"{root}: no faces of WFLW here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        return shards

    def _choose_lists(self, root: pathlib.Path) -> dict[str, FaceList]:
        """The existing lists, by split; short ones only if the full list of the test set is missing."""
        chosen = self._existing(root, FULL_LISTS)
        if "test" in chosen:
            return chosen
        short = self._existing(root, SHORT_LISTS)
        if short:
            unknown = set(ATTRIBUTES) - {face_list.attribute for face_list in short.values()}
            self.log.note(
                "The test lists have neither boxes nor attributes: the box is that of the landmarks, and a face has "
                "the attributes of the lists that contain it."
                + "".join(f" No test face has {name}." for name in ATTRIBUTES if name in unknown)
            )
        return chosen | short

    def _existing(self, root: pathlib.Path, lists: Mapping[str, FaceList]) -> dict[str, FaceList]:
        """The lists whose files exist; notes the others."""
        existing = {
            split: face_list for split, face_list in lists.items() if (root / face_list.file).is_file()
        }
        for split, face_list in lists.items():
            if split not in existing:
                self.log.note(
                    f"{split}: {face_list.file} is missing, and with it {face_list.num_faces} faces."
                )
        return existing

    def _note_counts(
        self, chosen: Mapping[str, FaceList], samples_of: Mapping[str, Sequence[Sample]]
    ) -> None:
        """Notes numbers of faces that differ from those of the official set."""
        for split, face_list in chosen.items():
            self._note_count(split, len(samples_of[split]), face_list.num_faces)
        if "test" in samples_of:
            counts = collections.Counter(name for sample in samples_of["test"] for name in sample.attributes)
            for name, official in ATTRIBUTES.items():
                self._note_count(f"test, {name}", counts[name], official)

    def _with_pictures(self, root: pathlib.Path, split: str, samples: Sequence[Sample]) -> list[Sample]:
        """The samples without those whose image is missing; logs these images."""
        missing = dict.fromkeys(
            sample.picture
            for sample in samples
            if sample.annotation and not os.path.isfile(root / sample.picture)
        )
        for picture in missing:
            self.log.incomplete[f"{picture}: the image is missing"].append(split)
        usable = [sample for sample in samples if sample.picture not in missing]
        if missing:
            count = f"left out {len(samples) - len(usable)} of {counted(len(samples), 'face')}"
            self.log.note(f"{split}: {count}, because of {counted(len(missing), 'missing image')}.")
        return usable

    def _log_damage(self, split: str, samples: Sequence[Sample]) -> None:
        """Logs the damaged lines of a list that does not become a split; too many of them are an error too."""
        for sample in samples:
            if sample.damage:
                self.log.damaged[sample.damage].append(split)
        if samples:
            self.log.check_damage(split, len(samples))


def _read(root: pathlib.Path, sample: Sample) -> dict[str, object]:
    """The arguments of `faces.make_record` for one face."""
    if sample.annotation is None:
        raise DamagedRecord(sample.damage)
    return {
        "picture": read_file(root, sample.picture),
        "landmarks": sample.annotation.landmarks,
        "box": sample.annotation.box,
        "name": sample.picture,
        "face": sample.face,
        "attributes": {name: name in sample.attributes for name in ATTRIBUTES},
    }
