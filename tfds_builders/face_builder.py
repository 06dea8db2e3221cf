"""The base class of the builders, and the log of what a build had to leave out."""

import collections
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import tensorflow_datasets as tfds
import tqdm

from tfds_builders import BuildError, faces

Sample = TypeVar("Sample")

SHOWN = 10  # how many skipped records a message lists


@dataclasses.dataclass
class BuildLog:
    """What a build has to say: notes on the whole, and the records it left out, each with its reason.

    Attributes:
      max_damaged: the largest share of damaged records that a split may have.
      notes: lines on the whole, for example on a missing folder.
      incomplete: reason -> splits; samples of which a part was never there. They do not count as damage.
      damaged: reason -> splits; samples that are all there but unreadable or senseless.
    """

    max_damaged: float = 0.01
    notes: list[str] = dataclasses.field(default_factory=list)
    incomplete: dict[str, list[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )
    damaged: dict[str, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))

    def note(self, line: str) -> None:
        """Keeps a line for the end and prints it, beside a progress bar that may be running."""
        self.notes.append(line)
        tqdm.tqdm.write(line, file=sys.stderr)

    def check_damage(self, split: str, num_records: int) -> None:
        """Raises BuildError if more than `max_damaged` of a split's records are damaged, or all of them."""
        reasons = [reason for reason, splits in self.damaged.items() if split in splits]
        if len(reasons) > self.max_damaged * num_records or len(reasons) == num_records:
            count = f"{split}: {len(reasons)} of {num_records} records are damaged"
            raise BuildError(f"{count}, at most {self.max_damaged:.2%} may be:\n{_listing(reasons)}")

    def summary(self) -> str:
        """One line that counts what was skipped, and the first of it."""
        if not (self.damaged or self.incomplete):
            return "Skipped nothing."
        counts = f"Skipped {len(self.incomplete)} incomplete and {len(self.damaged)} damaged records:"
        return f"{counts}\n{_listing([*self.incomplete, *self.damaged])}"

    def text(self) -> str:
        """All that was noted and skipped, one line each."""
        lines = [*self.notes]
        for kind, skipped in (("incomplete", self.incomplete), ("damaged", self.damaged)):
            lines += [f"{kind}: {reason} ({', '.join(splits)})" for reason, splits in skipped.items()]
        return "\n".join(lines or ["Nothing was skipped."]) + "\n"


class FaceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A dataset of faces with landmarks, in the configurations `faces` and `original`.

    A builder sets `_info` with `faces.features`, and in `_split_generators` gives each split
    `self._generate_examples(split, samples, read)`.

    Attributes:
      log: the BuildLog of this builder's `download_and_prepare`.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = faces.CONFIGS

    def __init__(self, **kwargs: object):
        self.log = BuildLog()
        super().__init__(**kwargs)

    def _generate_examples(
        self, split: str, samples: Sequence[Sample], read: Callable[[Sample], Mapping[str, object]]
    ) -> Iterator[tuple[str, dict[str, object]]]:
        """Makes the records of a split one at a time; damaged ones are logged and left out.

        Args:
          split: name of the split.
          samples: what `read` needs to find each face.
          read: gives the arguments of `faces.make_record` except the configuration.

        Yields:
          A key, which is unique within the split, and the record.

        Raises:
          BuildError: at the end, if more of the split is damaged than `log.max_damaged` allows.
        """
        bar = tqdm.tqdm(samples, desc=f"{self.name} {split}", unit=" faces", leave=False, disable=None)
        for sample in bar:
            try:
                record = faces.make_record(self.builder_config, **read(sample))
            except faces.DamagedRecord as damage:
                self.log.damaged[str(damage)].append(split)
            else:
                yield f"{record['name']}#{record['face']}", record
        self.log.check_damage(split, len(samples))


def _listing(reasons: Sequence[str]) -> str:
    lines = [f"  {reason}" for reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"  and {len(reasons) - SHOWN} more")
    return "\n".join(lines)
