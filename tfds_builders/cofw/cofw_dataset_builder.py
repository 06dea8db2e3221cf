"""COFW and COFW-68, see README.md in this folder."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import schemes
from dsat_jax.records import OCCLUDED, VISIBLE, DamagedRecord
from tfds_builders import BuildError, face_builder, faces
from tfds_builders.cofw import colour_mat, points68
from tfds_builders.mat_files import check_flags

FILES = {"train": colour_mat.TRAIN, "test": colour_mat.TEST}
OFFICIAL = {"train": 1345, "test": 507}  # faces, in both annotations

# A function from the index of an image to its annotation, with the unchanged numbers of the files: landmarks,
# occlusion flags, and the box as left, top, width, height.
Annotate = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclasses.dataclass
class CofwConfig(faces.FacesConfig):
    """How the images are stored, and the annotation.

    Attributes:
      reannotated: whether to use the annotation of COFW-68 instead of COFW.
    """

    reannotated: bool = False


class Builder(face_builder.FaceBuilder):
    """COFW, 29 landmarks on faces behind all kinds of objects, each landmark marked as occluded or not.

    The configurations `cofw68` and `cofw68_original` have its test faces with 68 landmarks in the order of 300W.
    """

    official_faces = OFFICIAL
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's form)
        CofwConfig("faces", description=faces.CONFIGS[0].description),
        CofwConfig("original", description="The whole images, as PNG.", cut=False),
        CofwConfig(
            "cofw68",
            description="COFW-68: the test faces with 68 landmarks, cut out as in `faces`.",
            reannotated=True,
        ),
        CofwConfig(
            "cofw68_original",
            description="COFW-68: the test faces with 68 landmarks, the whole images as in `original`.",
            cut=False,
            reannotated=True,
        ),
    ]

    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
COFW (colour) comes from https://data.caltech.edu/records/20099. Expected below manual_dir:
  COFW_train_color.mat       1345 faces
  COFW_test_color.mat         507 faces
For cofw/cofw68, in addition to COFW_test_color.mat, the annotation from
https://github.com/golnazghiasi/cofw68-benchmark:
  COFW68_Data/test_annotations/1_points.mat ... 507_points.mat
  COFW68_Data/cofw68_test_bboxes.mat"""

    @property
    def scheme(self) -> schemes.Scheme:
        return schemes.W300_68 if self.builder_config.reannotated else schemes.COFW_29

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=faces.features(self.scheme.num_points), homepage="https://data.caltech.edu/records/20099"
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        root = pathlib.Path(dl_manager.manual_dir)
        if self.builder_config.reannotated:
            return {"test": self._split_68(root)}
        shards = {
            split: self._split_29(root, split) for split in FILES if self._has(root, FILES[split], split)
        }
        if not shards:
            raise BuildError(f"{root}: neither file of COFW is here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        return shards

    def _has(self, root: pathlib.Path, mat: colour_mat.ColourMat, split: str) -> bool:
        if (root / mat.name).is_file():
            return True
        self.log.note(f"{split}: left out, {mat.name} is missing, and with it {OFFICIAL[split]} faces.")
        return False

    def _split_29(self, root: pathlib.Path, split: str) -> face_builder.Shards:
        mat = FILES[split]
        with colour_mat.open_mat(
            root, mat
        ) as file:  # read before the first record: damage stops the build at once
            annotations = colour_mat.read_annotations(file, mat)
        count = len(annotations.boxes)
        self._note_count(split, count, OFFICIAL[split])

        def annotate(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return annotations.landmarks[index], annotations.flags[index], annotations.boxes[index]

        return self._read_shards(root, split, range(count), annotate)

    def _split_68(self, root: pathlib.Path) -> face_builder.Shards:
        folder = points68.find_folder(root)
        files = points68.list_annotations(folder)
        for part, exists in (
            (colour_mat.TEST.name, (root / colour_mat.TEST.name).is_file()),
            (points68.ANNOTATIONS, files),
            (points68.BOXES, (folder / points68.BOXES).is_file()),
        ):
            if not exists:
                raise BuildError(f"{root}: no {part} here.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        with colour_mat.open_mat(root, colour_mat.TEST) as file:
            count = colour_mat.count_pictures(file, colour_mat.TEST)
        boxes = points68.read_boxes(folder, count)
        numbers = range(1, count + 1)
        for number in sorted(files.keys() ^ set(numbers)):
            file_name = f"{points68.ANNOTATIONS}/{number}_points.mat"
            reason = "no image of this number" if number in files else "missing"
            self.log.incomplete[f"{file_name}: {reason}"].append("test")
        indices = [number - 1 for number in numbers if number in files]
        self._note_count("test", len(indices), OFFICIAL["test"])

        def annotate(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            file = files[index + 1]
            return *points68.read_points(file, f"{points68.ANNOTATIONS}/{file.name}"), boxes[index]

        return self._read_shards(root, "test", indices, annotate)

    def _read_shards(
        self, root: pathlib.Path, split: str, indices: Sequence[int], annotate: Annotate
    ) -> face_builder.Shards:
        mat = FILES[split]

        def name(index: int) -> str:
            return f"{mat.name}/{index + 1:04d}"

        def read(index: int) -> dict[str, object]:
            """The arguments of `faces.make_record` for one face; the only reader of HDF5, in one thread."""
            landmarks, flags, box = annotate(index)
            check_flags(flags, f"{name(index)}: occlusion flags", DamagedRecord)
            with colour_mat.open_mat(root, mat) as file:
                picture = colour_mat.read_picture(file, mat, index, name(index))
            return {
                "landmarks": landmarks - 1.0,  # the files count pixels from 1
                "visibility": np.where(flags == 1, OCCLUDED, VISIBLE),
                "box": _corners(box) - 1.0,
                "picture": picture,
                "name": name(index),
            }

        return self._shards(split, indices, lambda index: f"{name(index)}#0", read)


def _corners(box: np.ndarray) -> np.ndarray:
    """left, top, width, height -> x_min, y_min, x_max, y_max."""
    return np.concatenate([box[:2], box[:2] + box[2:]])
