"""Training on one or several datasets: their shares, their schemes, and the stream of their records."""

import bisect
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import grain.python as grain
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.data import datasets
from dsat_jax.data.datasets import Record
from dsat_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Ingredient:
    """A training dataset of a run.

    Attributes:
      dataset: a builder of tfds_builders/, or <builder>/<builder config>.
      split: TFDS split.
      share: part of the training faces that come from it, 0 to 1.
      data_dir: folder of the built dataset; None for the folder of the run's dataset.
    """

    dataset: str
    split: str
    share: float
    data_dir: str | None = None


def ingredients(config: ConfigDict) -> list[Ingredient]:
    """Returns the training datasets of a run: `config.data.dataset`, and those of `config.data.mixture`.

    Raises:
      UserError: if an entry of the mixture does not have the form that `config/defaults.py` describes, or the shares
        leave nothing for `config.data.dataset`.
    """
    others = [_parsed(text) for text in config.data.mixture]
    rest = 1.0 - sum(other.share for other in others)
    if rest < 1e-6:
        raise UserError(
            f"the shares of config.data.mixture have the sum {1 - rest:g}, expected less than 1: the rest is the share "
            f"of {config.data.dataset}"
        )
    return [Ingredient(config.data.dataset, config.data.train, rest), *others]


def _parsed(text: str) -> Ingredient:
    words = text.split(maxsplit=3)
    if len(words) < 3 or not _is_share(words[2]):
        raise UserError(
            f"config.data.mixture has {text!r}, expected DATASET SPLIT SHARE, or DATASET SPLIT SHARE DATA_DIR, with a "
            "share above 0 and below 1, for example 'cofw train 0.2'"
        )
    return Ingredient(words[0], words[1], float(words[2]), words[3].strip() if len(words) > 3 else None)


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def each_alone(config: ConfigDict) -> Iterator[ConfigDict]:
    """Yields the configuration of a run once for each of its training datasets, as if it were the only one."""
    for ingredient in ingredients(config):
        alone = config.copy_and_resolve_references()
        alone.data.update(dataset=ingredient.dataset, train=ingredient.split, mixture=())
        if ingredient.data_dir:
            alone.data.data_dir = ingredient.data_dir
        yield alone


def with_scheme(config: ConfigDict) -> ConfigDict:
    """Returns the configuration; if it names no scheme, a copy that names the one of all its training datasets.

    Raises:
      FileNotFoundError: if a scheme is stored with a dataset that has not been built.
      UserError: if the schemes cannot be joined, or landmarks shall be tied in a scheme that is not joint.
    """
    if config.data.scheme:
        if config.data.tied and not schemes.find(config.data.scheme).parts:
            raise UserError(
                f"config.data.tied is true with the scheme {config.data.scheme}, expected an empty config.data.scheme: "
                "only landmarks of a joint scheme are tied"
            )
        return config
    found = list(dict.fromkeys(datasets.dataset_scheme(alone) for alone in each_alone(config)))
    named = config.copy_and_resolve_references()
    named.data.scheme = schemes.as_text(schemes.join(found, config.data.tied) if len(found) > 1 else found[0])
    return named


def evaluated(config: ConfigDict) -> ConfigDict:
    """Returns the configuration of a run's validation, with the scheme in which labels and predictions are compared.

    For a joint scheme it is a copy with a part of it, or with the scheme of the dataset; see `schemes.part_for`.

    Raises:
      UserError: if the labels of the dataset fit no part of the joint scheme.
    """
    whole = schemes.find(config.data.scheme)
    if not whole.parts:
        return config
    labels = datasets.dataset_scheme(config)
    part = schemes.part_for(whole, labels)
    validated = config.copy_and_resolve_references()
    validated.data.scheme = schemes.as_text(part if schemes.can_convert(labels, part) else labels)
    return validated


@dataclasses.dataclass(frozen=True)
class MixedRecords(Sequence):
    """Records of several datasets, one dataset after the other.

    Attributes:
      parts: records of each dataset, in the scheme of the run.
      shares: part of the training faces that come from each dataset.
    """

    parts: Sequence[Sequence[Record]]
    shares: Sequence[float]

    @functools.cached_property
    def ends(self) -> list[int]:
        """Number of records up to the end of each dataset."""
        return list(itertools.accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Record:
        """Returns one record; errors as in `datasets.DatasetRecords`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect.bisect_right(self.ends, index)
        return self.parts[part][index - self.ends[part] + len(self.parts[part])]


def read_training(config: ConfigDict) -> MixedRecords:
    """Returns the training records of a run, in its scheme; landmarks that a dataset does not label are unknown.

    Raises:
      FileNotFoundError: if a dataset has not been built.
      UserError: if a split does not exist or contains no record, or a dataset labels no landmark of the scheme.
    """
    parts = [datasets.read_split(alone, alone.data.train, partial=True) for alone in each_alone(config)]
    return MixedRecords(parts, [ingredient.share for ingredient in ingredients(config)])


def shuffled(source: Sequence[Record], seed: int) -> grain.MapDataset:
    """Returns the endless stream of record numbers: each dataset in random order, mixed by the shares."""
    ends = source.ends if isinstance(source, MixedRecords) else [len(source)]
    streams = [
        grain.MapDataset.range(first, end).seed(seed + number).shuffle().repeat(None)
        for number, (first, end) in enumerate(itertools.pairwise([0, *ends]))
    ]
    return streams[0] if len(streams) == 1 else grain.MapDataset.mix(streams, source.shares)


def described(config: ConfigDict, source: MixedRecords) -> str:
    """Returns the number of training faces of each dataset, for the log."""
    rows = zip(ingredients(config), source.parts, strict=True)
    return ", ".join(
        f"{row.dataset} {row.split}{f' in {row.data_dir}' if row.data_dir else ''}: {len(part)}"
        + (f" (share {row.share:g})" if row.share < 1 else "")
        for row, part in rows
    )
