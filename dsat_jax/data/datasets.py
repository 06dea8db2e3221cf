"""Splits, records and landmark scheme of a run's dataset."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.data import bucket_datasets
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.records import UNKNOWN
from dsat_jax.schemes import Scheme
from tfds_builders import build, load_builder, make_builder

Record = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class DatasetRecords(Sequence):
    """Records of a built dataset with encoded images; landmarks are converted to another scheme if `indices` is given.

    Attributes:
      source: records as the dataset's files store them, with random access.
      folder: dataset's folder, for error messages.
      indices: int [points], landmarks to keep, from `schemes.correspondence`, -1 for an unknown one; None keeps all.
    """

    source: Sequence[Record]
    folder: str
    indices: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        """Returns one record.

        Raises:
          OSError: if the dataset's files have been damaged since the dataset was built.
        """
        # A `for` loop ends at an IndexError, which ArrayRecord does not raise.
        if not 0 <= index < len(self.source):
            raise IndexError(index)
        try:
            record = self.source[index]
        except RuntimeError as error:  # raised by ArrayRecord
            raise OSError(
                f"{self.folder}: record {index} cannot be read ({error}); delete that folder and "
                "build the dataset again"
            ) from error
        if self.indices is None:
            return record
        known = self.indices >= 0
        return {
            **record,
            "landmarks": np.where(known[:, None], record["landmarks"][self.indices], 0),
            "visibility": np.where(known, record["visibility"][self.indices], UNKNOWN).astype(np.uint8),
        }


def _data_dir(config: ConfigDict) -> str | None:
    """Returns the root folder of the built datasets on this machine; the run's dataset is copied from a bucket."""
    data_dir = config.data.data_dir or os.environ.get("TFDS_DATA_DIR")
    if not data_dir or not locations.in_bucket(data_dir):
        return config.data.data_dir
    # A builder has its name, configuration and version below any root folder.
    below = make_builder(config.data.dataset, bucket_datasets.copies()).data_path
    return str(bucket_datasets.copied(data_dir, pathlib.Path(below).relative_to(bucket_datasets.copies())))


def must_be_drawn(config: ConfigDict) -> bool:
    """Returns whether the builder of the run's dataset draws the images, and has not done so yet."""
    builder = make_builder(config.data.dataset, _data_dir(config))
    return not builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not builder.is_prepared()


def build_if_generated(config: ConfigDict) -> None:
    """Builds the run's dataset if its builder draws the images and it has not been built yet."""
    if must_be_drawn(config):
        build.build(config.data.dataset, data_dir=config.data.data_dir)


def check_drawn(config: ConfigDict, splits: Sequence[str]) -> None:
    """Raises UserError if the builder of the run's dataset, which draws the images, will not draw one of the splits."""
    drawn = make_builder(config.data.dataset, _data_dir(config)).drawn_splits
    for split in splits:
        if not _parts(split) <= set(drawn):
            raise UserError(f"{config.data.dataset} has no split {split!r}; it has {', '.join(drawn)}")


def read_split(config: ConfigDict, split: str, partial: bool = False) -> Sequence[Record]:
    """Returns the records of a split, with random access; images are encoded, landmarks are in the run's scheme.

    Args:
      config: run's configuration.
      split: TFDS split, such as `train[:95%]`.
      partial: whether the dataset may lack landmarks of the scheme; these are then unknown.

    Raises:
      FileNotFoundError: if the dataset has not been built.
      UserError: if the split does not exist or contains no record, or its landmarks cannot be converted.
    """
    builder = load_builder(config.data.dataset, _data_dir(config))
    known = ", ".join(sorted(builder.info.splits))
    if split in (config.data.train, config.data.validation) and not _parts(split) & set(builder.info.splits):
        largest = max(builder.info.splits, key=lambda name: builder.info.splits[name].num_examples)
        raise UserError(
            f"{config.data.dataset} has no split {split!r}; it has {known}. To divide what it has: "
            f"--config.data.train='{largest}[:80%]' --config.data.validation='{largest}[80%:90%]' "
            f"--config.data.test=\"'{largest}[90%:]',\""
        )
    try:
        count = builder.info.splits[split].num_examples  # negative for `train[5:2]`
    except (ValueError, KeyError) as error:
        raise UserError(f"{config.data.dataset} has no split {split!r}; it has {known}") from error
    if count <= 0:
        raise UserError(_without_faces(config, split, builder))
    source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    scheme = schemes.find(config.data.scheme)
    indices = None
    if builder.scheme != scheme:
        indices = _conversion(builder.scheme, scheme, partial)
    if builder.scheme not in [part.scheme for part in schemes.parts_of(scheme)]:
        count = int((indices >= 0).sum())
        found = "" if count == scheme.num_points else f" ({count} of {scheme.num_points} landmarks)"
        names = (config.data.dataset, split, builder.scheme.name, scheme.name)
        logging.warning("%s %s: labels of %s are converted to %s%s", *names, found)
    return DatasetRecords(source, str(builder.data_dir), indices)


def _without_faces(config: ConfigDict, split: str, builder: tfds.core.DatasetBuilder) -> str:
    """The error message for a part of a split that contains no face."""
    sizes = ", ".join(f"{name} ({info.num_examples})" for name, info in sorted(builder.info.splits.items()))
    advice = ""
    if split == config.data.validation and len(_parts(split)) == 1:
        [name] = _parts(split)
        advice = (
            f"; a larger part: --config.data.train='{name}[:80%]' --config.data.validation='{name}[80%:]'"
        )
    return f"{config.data.dataset} has no face in {split!r}; its splits are {sizes}{advice}"


def _conversion(source: Scheme, target: Scheme, partial: bool) -> np.ndarray:
    indices = schemes.correspondence(source, target)
    if partial and (indices >= 0).any():
        return indices
    return schemes.conversion_indices(source, target)


def dataset_scheme(config: ConfigDict) -> Scheme:
    """Returns the landmark scheme of the run's dataset.

    Raises:
      FileNotFoundError: if the scheme is stored with the built dataset, and the dataset has not been built.
    """
    return make_builder(config.data.dataset, _data_dir(config)).scheme


def test_splits(config: ConfigDict, wanted: Sequence[str]) -> list[str]:
    """Returns the test splits that this copy of the run's dataset contains.

    Args:
      config: run's configuration.
      wanted: requested TFDS splits; missing ones are logged and left out. An empty sequence requests all splits with
        'test' in their name.

    Raises:
      UserError: if the copy contains no requested split.
    """
    dataset = config.data.dataset
    known = sorted(load_builder(dataset, _data_dir(config)).info.splits)
    chosen = [split for split in wanted if _parts(split) <= set(known)] or [
        split for split in known if "test" in split and not wanted
    ]
    if not chosen:
        what = f"none of the splits {', '.join(wanted)}" if wanted else "no split called test"
        raise UserError(f"{dataset} has {what}; it has {', '.join(known)}: name one with --split")
    missing = [split for split in wanted if split not in chosen]
    if missing:
        logging.warning("this copy of %s has no %s: left out", dataset, ", ".join(missing))
    return chosen


def _parts(split: str) -> set[str]:
    """Returns the names of the splits in an expression such as `train[:10%]+test`."""
    return {part.partition("[")[0] for part in split.split("+")}


def official_faces(config: ConfigDict) -> Mapping[str, int]:
    """Returns the number of faces of the official dataset, by split or by subset of a split, where it is known."""
    return make_builder(config.data.dataset, _data_dir(config)).official_faces


def attribute_names(config: ConfigDict) -> list[str]:
    """Returns the attributes of the dataset's faces in the builder's order (records store them alphabetically)."""
    features = load_builder(config.data.dataset, _data_dir(config)).info.features
    return list(features["attributes"]) if "attributes" in features else []
