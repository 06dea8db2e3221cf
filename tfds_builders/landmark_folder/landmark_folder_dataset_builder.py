"""Any folder of images with landmarks, see README.md in this folder."""

import collections
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import schemes
from dsat_jax.errors import UserError, counted
from dsat_jax.files import image_files
from dsat_jax.records import UNKNOWN, DamagedRecord, decode_picture
from dsat_jax.schemes import SCHEMES, Scheme
from tfds_builders import BuildError, face_builder, faces
from tfds_builders.landmark_folder import (
    conventions,
    division,
    folder,
    forms,
    mirror_check,
    point_names,
    text_form,
)
from tfds_builders.landmark_folder.annotation import Annotation
from tfds_builders.landmark_folder.options import FILE, SHOWN, Options, read_options
from tfds_builders.raw_files import read_file, stays_inside

_READ_BY_TFDS = (b"\xff\xd8", b"\x89PNG")  # first bytes of JPEG and PNG
_ALWAYS_POINTS = (".pts", ".ljson")  # files of other suffixes without an image of their name can be anything
NO_SPLIT = "no split"  # replaces the split in the log for points without an image


@dataclasses.dataclass(frozen=True)
class Sample:
    """One annotated face.

    Attributes:
      picture: path of the image, relative to the folder; None if the annotation's path leads out of the folder.
      face: index of the face in its image, from 0.
      annotation: reference to the points.
    """

    picture: str | None
    face: int
    annotation: Annotation

    @property
    def key(self) -> str:
        """A text that is unique to the face."""
        return self.annotation.source if self.picture is None else f"{self.picture}#{self.face}"


class Builder(face_builder.FaceBuilder):
    """Any images with landmarks, in a file per image or in one file for all.

    The scheme is that of the folder. It is unknown until a folder has been built; `info.metadata["scheme"]` of the
    built dataset has it, in the form that `schemes.find` reads.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Expected below manual_dir:
  images (.jpg, .png, .bmp, .webp, .tif, .gif, .avif, .heic) in any folders
  points: NAME.pts, NAME.json (also labelme's), NAME.ljson or NAME.txt for each image, or one .csv, .json or .xml for
    all, also of COCO, CVAT, imglab, VIA and Label Studio
  {FILE}, optional, with choices: scheme, train and test (see tfds_builders/landmark_folder/README.md)"""

    def _info(self) -> tfds.core.DatasetInfo:
        num_points = self.scheme.num_points if self._metadata_file.exists() else None
        return self.dataset_info_from_configs(
            features=faces.features(num_points), metadata=tfds.core.MetadataDict()
        )

    @property
    def _metadata_file(self) -> pathlib.Path:
        return self.data_path / "metadata.json"  # TFDS's file of `info.metadata`

    @property
    def scheme(self) -> Scheme:
        """The scheme of the folder that was built.

        Raises:
          FileNotFoundError: if none has been built.
        """
        if not self._metadata_file.exists():
            raise FileNotFoundError(
                f"{self.data_path}: landmark_folder has not been built there; build it with `python -m "
                "tfds_builders.build landmark_folder --manual_dir=DIR`"
            )
        return schemes.find(json.loads(self._metadata_file.read_text(encoding="utf-8"))["scheme"])

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        options = read_options(root)
        contents = folder.walk(root)
        if not contents.pictures:
            raise BuildError(f"{root}: no images here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        points = options.points or folder.choose_points(root, contents)
        points = [points] if isinstance(points, str) else points
        annotations = point_names.in_order(
            root,
            self._find_annotations(root, points, contents),
            options.names,
            options.scheme and options.scheme.num_points,
        )
        scheme = options.scheme or _scheme_of(root, annotations)
        if max(options.box_points or [0]) >= scheme.num_points:
            raise BuildError(
                f"{root / FILE}: box_points has {max(options.box_points)}, expected points from 0 to "
                f"{scheme.num_points - 1}"
            )
        self.info.metadata["scheme"] = schemes.as_text(scheme)
        samples = self._divide(root, options, points, contents.pictures, annotations)
        used = {sample.picture for split in division.SPLITS for sample in samples[split] if sample.picture}
        meaning, notes = conventions.decide(root, points, options, annotations, used)
        if options.check_mirror is not False:
            _check_mirror(root, scheme, options.scheme is not None, meaning, annotations)
        for note in (f"Points from {', '.join(points)}, {meaning.as_text()}, scheme {scheme.name}.", *notes):
            self.log.note(note)

        shards = {}
        for split in division.SPLITS:
            if samples[split]:
                read = functools.partial(_read, root, meaning, scheme, options.box_points)
                shards[split] = self._shards(split, samples[split], lambda sample: sample.key, read)
            else:
                self.log.note(f"{split}: left out, no annotated images.")
        if not shards:
            raise BuildError(
                f"{root}: no image has points in {', '.join(points)}.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        return shards

    def _find_annotations(
        self, root: pathlib.Path, points: Sequence[str], contents: folder.Contents
    ) -> list[Annotation]:
        """The annotations of a folder, in the order of the images or of the files; logs .pts without an image."""
        if not points[0].startswith("*"):
            return [annotation for file in points for annotation in forms.in_one_file(root, file)]
        suffix = points[0].removeprefix("*")
        files = dict(contents.points[suffix])
        annotations: list[Annotation] = []
        for picture in contents.pictures:
            file = files.pop(os.path.splitext(picture)[0], None)
            if file is not None:
                annotations += forms.beside(root, picture, file)
        if suffix == ".txt":
            annotations += text_form.by_first_line(root, files.values(), contents.pictures)
        if suffix in _ALWAYS_POINTS:
            for file in files.values():
                self.log.incomplete[f"{file}: no image of the same name"].append(NO_SPLIT)
        return annotations

    def _divide(
        self,
        root: pathlib.Path,
        options: Options,
        points: Sequence[str],
        pictures: Sequence[str],
        annotations: Sequence[Annotation],
    ) -> dict[str, list[Sample]]:
        """The faces of each split; logs images without points, and points and list entries without an image."""
        find = folder.make_finder(pictures)
        divided = division.by_file(root, points, annotations, find)
        if divided is None or options.train or options.test is not None:
            divided = division.make_division(root, options, find)
        else:
            self.log.note(f"Testing: the images of {', '.join(filter(division.is_for_testing, points))}.")
        samples: dict[str, list[Sample]] = {split: [] for split in division.SPLITS}
        faces_of: collections.Counter[str] = collections.Counter()
        outside = []
        for annotation in annotations:
            fitting = find(annotation.picture) or find(annotation.other_name)
            if not fitting and not stays_inside(annotation.picture):
                outside.append(Sample(None, 0, annotation))
            elif len(fitting) != 1:
                problem = "no image" if not fitting else "more than one image fits"
                self.log.incomplete[f"{annotation.source}: {problem} {annotation.picture!r}"].append(NO_SPLIT)
            elif split := divided.split_of(fitting[0]):
                samples[split].append(Sample(fitting[0], faces_of[fitting[0]], annotation))
                faces_of[fitting[0]] += 1
        # They are damaged, and damage counts in a split: they go to one that has images.
        samples["train" if samples["train"] else "test"] += outside
        for picture in pictures:
            split = divided.split_of(picture)
            if split is not None and picture not in faces_of:
                self.log.incomplete[f"{picture}: no points"].append(split)
        for split, reasons in divided.missing.items():
            for reason in reasons:
                self.log.incomplete[reason].append(split)
        unlisted = sum(divided.split_of(picture) is None for picture in pictures)
        if unlisted:
            self.log.note(f"left out {counted(unlisted, 'image')} of no list.")
        return samples


def _scheme_of(root: pathlib.Path, annotations: Sequence[Annotation]) -> Scheme:
    """The built-in scheme with as many points as the first readable face."""
    by_count = {scheme.num_points: scheme for scheme in SCHEMES.values()}
    for annotation in annotations:
        try:
            count = len(annotation.read().landmarks)
        except DamagedRecord:
            continue
        if count not in by_count:
            raise BuildError(
                f"{root}: {annotation.source} has {count} points, the built-in schemes have "
                f"{', '.join(map(str, sorted(by_count)))}; describe a custom scheme as `scheme` in {FILE}"
            )
        return by_count[count]
    raise BuildError(
        f"{root}: none of {len(annotations)} annotations can be read, so the number of points is unknown"
    )


def _check_mirror(
    root: pathlib.Path,
    scheme: Scheme,
    own: bool,
    meaning: conventions.Conventions,
    annotations: Sequence[Annotation],
) -> None:
    """Raises BuildError if the faces contradict the mirror pairs of the scheme, which may be the folder's own."""
    faces = (face for face in map(conventions.readable, annotations) if face)
    found = mirror_check.doubt(
        scheme, (face for face in faces if not meaning.are_missing(face.landmarks).any())
    )
    if found is None:
        return
    pairs = json.dumps([list(pair) for pair in found.suggested])
    points = f"{', '.join(map(str, found.wrong[:5]))}{', ...' if len(found.wrong) > 5 else ''}"
    what = "mirror_pairs do not fit the faces" if own else f"the points are not in the order of {scheme.name}"
    raise BuildError(
        f"{root / FILE}: {what}: in the mean of {found.faces} faces, the mirror images of points {points} are not at "
        f'their partners, but at those of "mirror_pairs": {pairs}; correct the scheme, or add "check_mirror": false'
    )


def _read(
    root: pathlib.Path,
    meaning: conventions.Conventions,
    scheme: Scheme,
    box_points: Sequence[int] | None,
    sample: Sample,
) -> dict[str, object]:
    """The arguments of `faces.make_record` for one face."""
    face = sample.annotation.read()
    if sample.picture is None:
        raise DamagedRecord(
            f"{sample.annotation.source}: the image is {sample.annotation.picture!r}, expected a path below the "
            "folder"
        )
    if len(face.landmarks) != scheme.num_points:
        raise DamagedRecord(
            f"{sample.annotation.source}: {len(face.landmarks)} points, {scheme.name} has {scheme.num_points}"
        )
    picture, size = _read_picture(root, sample.picture, meaning.orientation == SHOWN)
    face = meaning.in_pixels(face, size)
    box = face.box
    if box is None and box_points is not None:
        chosen = np.array(box_points)
        known = face.landmarks[chosen][face.visibility[chosen] != UNKNOWN]
        if not len(known):
            raise DamagedRecord(f"{sample.annotation.source}: none of the box_points has a position")
        box = np.concatenate([known.min(axis=0), known.max(axis=0)])
    return {
        "picture": picture,
        "landmarks": face.landmarks,
        "visibility": face.visibility,
        "box": box,
        "name": sample.picture,
        "face": sample.face,
    }


def _read_picture(
    root: pathlib.Path, picture: str, upright: bool
) -> tuple[bytes | np.ndarray, Sequence[int]]:
    """An image, and its width and height.

    Its file is untouched unless EXIF turns it and it is to be upright, or its format is none of those that TFDS reads.
    """
    data = read_file(root, picture)
    try:
        if data.startswith(_READ_BY_TFDS) and not (upright and image_files.is_turned(data)):
            return data, image_files.stored_size(data)
        pixels = decode_picture(data, picture, upright)
        return pixels, pixels.shape[1::-1]
    except DamagedRecord:
        raise
    except UserError as error:
        raise DamagedRecord(f"{picture}: {error}") from error
