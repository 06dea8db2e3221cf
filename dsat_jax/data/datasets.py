"""The run's dataset: its splits, its records, and the scheme of its landmarks."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.errors import UserError
from dsat_jax.schemes import Scheme
from tfds_builders import build, load_builder, make_builder

Record = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ConvertedRecords(Sequence):
    """Records whose landmarks are chosen from those of a dataset with more of them.

    Attributes:
      source: the dataset's records, a `BuiltRecords`.
      indices: of `schemes.conversion_indices`.
    """

    source: Sequence[Record]
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record = self.source[index]
        chosen = {name: record[name][self.indices] for name in ("landmarks", "visibility")}
        return {**record, **chosen}


@dataclasses.dataclass(frozen=True)
class BuiltRecords(Sequence):
    """The records of a dataset's files, which may have been damaged since they were built.

    Attributes:
      source: the records.
      where: the dataset lies, for errors.
    """

    source: Sequence[Record]
    where: str

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self.source):  # where iteration ends
            raise IndexError(index)
        try:
            return self.source[index]
        except RuntimeError as error:  # of ArrayRecord
            raise OSError(
                f"{self.where}: record {index} cannot be read ({error}); delete that folder and build it again"
            ) from error


def build_if_generated(config: ConfigDict) -> None:
    """Builds the run's dataset if it is one that draws its own pictures and has not been built yet."""
    builder = make_builder(config.data.dataset, config.data.data_dir)
    if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not builder.is_prepared():
        build.build(config.data.dataset, data_dir=config.data.data_dir)


def read_split(config: ConfigDict, split: str) -> Sequence[Record]:
    """The records of a split, pictures still encoded, in random access; landmarks in the run's scheme.

    Args:
      config: the run's configuration.
      split: a TFDS split, such as `train[:95%]`.

    Raises:
      FileNotFoundError: if the dataset has not been built.
      ValueError: if the split does not exist or holds no record, or its landmarks cannot be converted.
      OSError: from the records, where the dataset's files are damaged.
    """
    builder = load_builder(config.data.dataset, config.data.data_dir)
    known = ", ".join(sorted(builder.info.splits))
    try:
        source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        count = len(source)  # TFDS lets `train[5:2]` have a negative one
    except (ValueError, KeyError) as error:
        raise UserError(f"{config.data.dataset} has no split {split!r}; it has {known}") from error
    if count == 0:
        raise UserError(f"split {split!r} of {config.data.dataset} holds no record; its splits are {known}")
    source = BuiltRecords(source, str(builder.data_dir))
    scheme = schemes.find(config.data.scheme)
    if builder.scheme == scheme:
        return source
    logging.warning("%s: labels of %s are converted to %s", split, builder.scheme.name, scheme.name)
    return ConvertedRecords(source, schemes.conversion_indices(builder.scheme, scheme))


def dataset_scheme(config: ConfigDict) -> Scheme:
    """The landmark scheme of the run's dataset.

    Raises:
      FileNotFoundError: if only the built dataset knows it, and it has not been built.
    """
    return make_builder(config.data.dataset, config.data.data_dir).scheme


def with_scheme(config: ConfigDict) -> ConfigDict:
    """The configuration; a copy with the scheme of its dataset if it names none."""
    if config.data.scheme:
        return config
    named = config.copy_and_resolve_references()
    named.data.scheme = schemes.as_text(dataset_scheme(config))
    return named


def test_splits(config: ConfigDict, wanted: Sequence[str]) -> list[str]:
    """The test splits of this copy of the run's dataset.

    Args:
      config: the run's configuration.
      wanted: TFDS splits; those that this copy lacks are named in the log and left out. Empty for all splits that are
        called test, or test of something.

    Raises:
      ValueError: if the copy has none of them.
    """
    dataset = config.data.dataset
    there = sorted(load_builder(dataset, config.data.data_dir).info.splits)
    chosen = [split for split in wanted if _parts(split) <= set(there)] or [
        split for split in there if "test" in split and not wanted
    ]
    if not chosen:
        what = f"none of the splits {', '.join(wanted)}" if wanted else "no split called test"
        raise UserError(f"{dataset} has {what}; it has {', '.join(there)}: name one with --split")
    missing = [split for split in wanted if split not in chosen]
    if missing:
        logging.warning("this copy of %s has no %s: left out", dataset, ", ".join(missing))
    return chosen


def _parts(split: str) -> set[str]:
    """The splits that `train[:10%]+test` consists of."""
    return {part.partition("[")[0] for part in split.split("+")}


def attribute_names(config: ConfigDict) -> list[str]:
    """The attributes of the dataset's faces in the order of its builder; records have them in that of the alphabet."""
    features = load_builder(config.data.dataset, config.data.data_dir).info.features
    return list(features["attributes"]) if "attributes" in features else []
