"""Labelled faces of folders and of built datasets, for `benchmarks.hard_faces`."""

import argparse
import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from benchmarks import peers_figures
from dsat_jax import config, geometry, schemes
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference.image_input import read_image
from dsat_jax.records import UNKNOWN, VISIBLE
from dsat_jax.schemes import W300_68, Scheme

CORRECT = "labels not wrong"


class FolderRecords(Sequence):
    """Records of a folder in the layout of 300W, see `peers_figures.read_folder`; images are read when needed.

    Args:
      folder: the folder.
      wrong: names of the images with wrong labels; if there are any, the attribute CORRECT excludes them.
    """

    def __init__(self, folder: pathlib.Path, wrong: Collection[str] = ()):
        self._faces = peers_figures.read_folder(folder)
        self._wrong = set(wrong)
        if absent := sorted(self._wrong - {face.image.stem for face in self._faces}):
            raise UserError(f"{folder} has no image called {absent[0]}, expected names without suffix")

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, index: int) -> Mapping[str, np.ndarray]:
        face = self._faces[index]
        record = {
            "image": read_image(face.image),
            "landmarks": face.landmarks,
            "visibility": np.full(len(face.landmarks), VISIBLE, np.uint8),
            "name": face.image.name.encode(),
        }
        if self._wrong:
            record["attributes"] = {CORRECT: face.image.stem not in self._wrong}
        return record


@dataclasses.dataclass(frozen=True)
class LabelledFaces(Sequence):
    """Decoded records of faces, each with the box of its known landmarks.

    Attributes:
      name: name for tables and files.
      scheme: scheme of the labels.
      records: decoded records; their boxes are not used.
    """

    name: str
    scheme: Scheme
    records: Sequence[Mapping[str, np.ndarray]]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Mapping[str, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        record = self.records[index]
        known = record["visibility"] != UNKNOWN
        return {**record, "box": geometry.box_of_points(record["landmarks"][known].astype(np.float64))}


def read_folder(folder: pathlib.Path, wrong: Collection[str] = ()) -> LabelledFaces:
    """Returns the faces of a folder; for the arguments and errors see `FolderRecords`."""
    return LabelledFaces(folder.absolute().name, W300_68, FolderRecords(folder, wrong))


def without_wrong(folder: pathlib.Path, wrong: Collection[str]) -> LabelledFaces:
    """Returns the faces of a folder without those whose labels are wrong.

    If there are any, the images of the others stay in memory.

    Args:
      folder: images with .pts files.
      wrong: names of the images with wrong labels.
    """
    data = read_folder(folder, wrong)
    if not wrong:
        return data
    records = [record for record in data.records if record["attributes"][CORRECT]]
    return dataclasses.replace(data, name=f"{data.name}, {CORRECT}", records=records)


def read_split(text: str, data_dir: str | None = None) -> LabelledFaces:
    """Returns the faces of a split of a built dataset.

    Args:
      text: dataset and split, `DATASET:SPLIT`.
      data_dir: folder of the built datasets; None for TFDS's own.

    Raises:
      FileNotFoundError: if the dataset has not been built.
      UserError: if the text has another form, or the split does not exist.
    """
    dataset, _, split = text.partition(":")
    if not (dataset and split):
        raise UserError(f"--split is {text!r}, expected DATASET:SPLIT, such as w300:helen_test")
    source = config.default()
    source.data.update({"dataset": dataset, "data_dir": data_dir})
    scheme = datasets.dataset_scheme(source)
    source.data.scheme = schemes.as_text(scheme)
    return LabelledFaces(f"{dataset} {split}", scheme, DecodedRecords(datasets.read_split(source, split)))


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that names the networks, `networks`."""
    parser.add_argument(
        "networks", nargs="+", help="names of shipped networks, weights files, or run folders"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name folders and splits."""
    parser.add_argument(
        "--folder", type=locations.locate, action="append", default=[], help="images with .pts files"
    )
    parser.add_argument(
        "--wrong", help="names of images of the folder with wrong labels, separated by commas"
    )
    parser.add_argument("--split", action="append", default=[], help="DATASET:SPLIT of a built dataset")
    parser.add_argument("--data_dir", help="folder of the built datasets; TFDS's own by default")


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    benchmark: Callable[[argparse.Namespace], None],
) -> None:
    """Runs a benchmark with the parsed arguments; an error of the user ends the process with its message."""
    parsed = parser.parse_args(arguments)
    _check_arguments(parser, parsed)
    try:
        benchmark(parsed)
    except (UserError, OSError) as error:
        parser.error(str(error))


def _check_arguments(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Ends the process with an error message if the arguments name no data, or wrong labels without one folder."""
    if parsed.wrong and len(parsed.folder) != 1:
        parser.error(f"found --wrong and {len(parsed.folder)} folders, expected one --folder")
    if not parsed.folder + parsed.split:
        parser.error("found neither --folder nor --split, expected at least one")


def read_correct(parsed: argparse.Namespace) -> tuple[list[LabelledFaces], list[LabelledFaces]]:
    """Returns the faces of the folders, without those whose labels are wrong, and those of the splits."""
    folders = [without_wrong(folder, wrong_names(parsed)) for folder in parsed.folder]
    return folders, [read_split(text, parsed.data_dir) for text in parsed.split]


def wrong_names(parsed: argparse.Namespace) -> list[str]:
    """Returns the names of the images with wrong labels."""
    return parsed.wrong.split(",") if parsed.wrong else []
