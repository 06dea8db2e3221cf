"""The base class of the builders, and the log of the records that a build leaves out."""

import collections
import dataclasses
import functools
import hashlib
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import TypeVar

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from dsat_jax.errors import counted
from dsat_jax.records import DamagedRecord
from dsat_jax.schemes import Scheme
from tfds_builders import BuildError, faces

Sample = TypeVar("Sample")
Records = Iterator[tuple[str, dict[str, object]]]
Shards = list[Callable[[], Records]]

SHOWN = 10  # skipped records that a message lists
LARGEST_SHARD = 1024  # records


@dataclasses.dataclass
class BuildLog:
    """The report of a build: general notes, and the skipped records, each with its reason.

    Attributes:
      max_skipped: largest share of damaged records that a split may have.
      notes: general lines, for example on a missing folder.
      incomplete: reason -> splits; faces whose raw files lack a part. They do not count as damage.
      damaged: reason -> splits, one for each record; faces whose raw files are complete but unreadable or invalid.
    """

    max_skipped: float = 0.01
    notes: list[str] = dataclasses.field(default_factory=list)
    incomplete: dict[str, list[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )
    damaged: dict[str, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))

    def note(self, line: str) -> None:
        """Keeps a line and prints it, without disturbing a progress bar."""
        self.notes.append(line)
        tqdm.tqdm.write(line, file=sys.stderr)

    def check_damage(self, split: str, num_samples: int, num_records: int | None = None) -> None:
        """Raises BuildError if too many of a split's samples are damaged.

        Args:
          split: name of the split.
          num_samples: number of faces that were read; if all of them are damaged, the check fails in any case.
          num_records: number of faces of which a share of `max_skipped` may be damaged; None for num_samples.
        """
        damaged = sum(splits.count(split) for splits in self.damaged.values())
        num_records = num_samples if num_records is None or damaged == num_samples else num_records
        if damaged == num_samples or damaged > self.max_skipped * num_records:
            reasons = [reason for reason, splits in self.damaged.items() if split in splits]
            count = f"{split}: {damaged} of {num_records} records are damaged"
            raise BuildError(f"{count}, at most {self.max_skipped:.2%} may be:\n{_listing(reasons)}")

    def summary(self) -> str:
        """The numbers of skipped records, and the reasons of the first ones."""
        if not (self.damaged or self.incomplete):
            return "Skipped nothing."
        incomplete, damaged = (
            sum(max(collections.Counter(splits).values()) for splits in skipped.values())
            for skipped in (self.incomplete, self.damaged)
        )
        counts = f"Skipped {incomplete} incomplete and {damaged} damaged records:"
        return f"{counts}\n{_listing([*self.incomplete, *self.damaged])}"

    def text(self) -> str:
        """All notes and skipped records, one line each."""
        lines = [*self.notes]
        for kind, skipped in (("incomplete", self.incomplete), ("damaged", self.damaged)):
            lines += [f"{kind}: {reason} ({', '.join(splits)})" for reason, splits in skipped.items()]
        return "\n".join(lines or ["Nothing was skipped."]) + "\n"


class FaceBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """A dataset of faces with landmarks, in the configurations `faces` and `original`.

    A builder has a `scheme` and defines two methods: `_info`, with `faces.features`, and `_shard_iterators_per_split`,
    which returns `self._shards(split, samples, key, read)` for each split.

    It writes shard after shard and needs no TensorFlow. (TFDS's shuffling builder holds up to a gigabyte in memory and
    then writes TensorFlow's temporary files.)

    Attributes:
      scheme: scheme of the landmarks.
      official_faces: number of faces of the official dataset, by split or by subset of a split, `test/pose`.
      drawn_splits: names of the splits, for a builder that draws its images; empty for others.
      log: report of this builder's `download_and_prepare`.
    """

    scheme: Scheme
    official_faces: Mapping[str, int] = {}
    drawn_splits: Sequence[str] = ()

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = faces.CONFIGS

    def __init__(self, **kwargs: object):
        self.log = BuildLog()
        super().__init__(**kwargs)

    def is_prepared(self) -> bool:
        """Whether the dataset has been built; TFDS would warn that it has not."""

        def keeps(record: logging.LogRecord) -> bool:
            return not str(record.msg).startswith("Variant folder")

        logger = logging.getLogger("absl")
        logger.addFilter(keeps)
        try:
            return super().is_prepared()
        finally:
            logger.removeFilter(keeps)

    def _shards(
        self,
        split: str,
        samples: Iterable[Sample],
        key: Callable[[Sample], str],
        read: Callable[[Sample], Mapping[str, object]],
        num_records: int | None = None,
    ) -> Shards:
        """The shards of a split, each a function that makes its records; damaged ones are logged and left out.

        Args:
          split: name of the split.
          samples: descriptions of the faces, each an argument of `read`.
          key: function from a sample to a text that is unique in the split.
          read: function from a sample to the arguments of `faces.make_record` except the configuration. It is called
            in the order of the records, see `shuffle`, in the thread of the build.
          num_records: number of faces that the share of damaged ones refers to; None for the number of samples.

        Raises:
          BuildError: if two samples have the same key. The last shard's function also raises it, at its end, if all
            records of the split or a share above `log.max_skipped` are damaged.
        """
        ordered = shuffle(split, samples, key)
        bounds = np.linspace(0, len(ordered), -(-len(ordered) // LARGEST_SHARD) + 1).astype(int)

        def make(first: int, end: int) -> Records:
            settings = {"initial": first, "total": len(ordered), "unit": " faces", "leave": False}
            bar = tqdm.tqdm(ordered[first:end], f"{self.name} {split}", disable=None, **settings)
            yield from self._make_records(split, bar, key, read)
            if end == len(ordered):
                self.log.check_damage(split, len(ordered), num_records)

        return [functools.partial(make, *part) for part in itertools.pairwise(bounds.tolist())]

    def _shards_by_split(
        self,
        samples_of: Mapping[str, Sequence[Sample]],
        key: Callable[[Sample], str],
        read: Callable[[Sample], Mapping[str, object]],
        sources: Mapping[str, str],
    ) -> dict[str, Shards]:
        """`_shards` of every split that has samples; the others are noted as left out.

        Args:
          samples_of: split -> samples.
          key: function from a sample to its unique text, see `_shards`.
          read: function from a sample to its record's arguments, see `_shards`.
          sources: split -> part of the raw dataset from which the split is made, for the note.
        """
        for split, samples in samples_of.items():
            if not samples:
                self.log.note(f"{split}: left out, no faces in {sources[split]}.")
        return {
            split: self._shards(split, samples, key, read) for split, samples in samples_of.items() if samples
        }

    def _make_records(
        self,
        split: str,
        samples: Iterable[Sample],
        key: Callable[[Sample], str],
        read: Callable[[Sample], Mapping[str, object]],
    ) -> Records:
        """The records of some samples, in their order, decoded, cut and encoded on several threads."""
        threads = os.cpu_count() or 1
        waiting: collections.deque[tuple[str, futures.Future]] = collections.deque()
        # Threads suffice: nearly all the work is OpenCV's, which releases the interpreter lock.
        with futures.ThreadPoolExecutor(threads) as pool:
            for sample in samples:
                waiting.append((key(sample), _submit(pool, self.builder_config, read, sample)))
                if len(waiting) > 2 * threads:
                    yield from self._take(split, *waiting.popleft())
            for remaining in waiting:
                yield from self._take(split, *remaining)

    def _take(self, split: str, key: str, future: futures.Future) -> Records:
        """The record of a sample, or none if it is damaged."""
        try:
            record = future.result()
        except DamagedRecord as damage:
            self.log.damaged[str(damage)].append(split)
        else:
            yield key, record

    def _note_count(self, where: str, count: int, official: int) -> None:
        """Notes a number of faces that differs from that of the official dataset."""
        if count != official:
            self.log.note(f"{where}: found {counted(count, 'face')}, the official set has {official}.")


def shuffle(split: str, samples: Iterable[Sample], key: Callable[[Sample], str]) -> list[Sample]:
    """The samples of a split in the order of their keys' hashes, which is that of TFDS's shuffling builder.

    A sample's position does not depend on the order of the input, and hardly on the other samples.

    Raises:
      BuildError: if two samples have the same key.
    """
    by_key = {}
    for sample in samples:
        text = key(sample)
        if text in by_key:
            raise BuildError(f"{split}: {text} occurs twice")
        by_key[text] = sample
    salt = hashlib.md5(split.encode())

    def digest(text: str) -> bytes:
        salted = salt.copy()
        salted.update(text.encode())
        return salted.digest()

    return [by_key[text] for text in sorted(by_key, key=digest)]


def _submit(
    pool: futures.Executor,
    config: faces.FacesConfig,
    read: Callable[[Sample], Mapping[str, object]],
    sample: Sample,
) -> futures.Future:
    """The future of a record; damage found by `read` is raised when the result is requested."""
    try:
        return pool.submit(faces.make_record, config, **read(sample))
    except DamagedRecord as damage:
        future = futures.Future()
        future.set_exception(damage)
        return future


def _listing(reasons: Sequence[str]) -> str:
    lines = [f"  {reason}" for reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"  and {len(reasons) - SHOWN} more")
    return "\n".join(lines)
