"""Records with their pictures decoded: at each reading, or once, and then kept in memory."""

import dataclasses
from collections.abc import Sequence

import psutil

from dsat_jax.data.datasets import Record
from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records import decode_picture


@dataclasses.dataclass(frozen=True)
class DecodedRecords(Sequence):
    """Records whose picture is decoded whenever they are read: `image` is uint8 [height, width, 3] RGB.

    Attributes:
      source: records with encoded pictures, in random access.
    """

    source: Sequence[Record]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        """One record.

        Raises:
          DamagedRecord: if the picture cannot be decoded.
        """
        record = self.source[index]
        name = f"record {index} ({record['name'].decode()})"
        return {**record, "image": decode_picture(record["image"], name)}


@dataclasses.dataclass(frozen=True)
class KeptRecords(Sequence):
    """Records that are read from their source once and then kept, for any number of threads.

    Attributes:
      source: a `DecodedRecords`.
      kept: what has been read so far, by index.
    """

    source: Sequence[Record]
    kept: dict[int, Record] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        """One record.

        Raises:
          DamagedRecord: if the picture cannot be decoded, at every reading.
        """
        record = self.kept.get(index)
        if record is None:
            # Two threads may decode the same picture here, to the same end; a lock would let only one of them decode.
            record = self.source[index]
            record["image"].flags.writeable = False  # all later readings share it
            self.kept[index] = record
        return record


def planned_memory(source: Sequence[Record]) -> str:
    """What a process with `config.train.keep_decoded` will hold once it has read every record, by their headers.

    Args:
      source: records with encoded pictures.

    Returns:
      A line for the log of the run: number of records, bytes of each, of all, and of the memory available now.

    Raises:
      ValueError: if that is more than the memory available.
    """
    sizes = [_decoded_bytes(record["image"]) for record in source]
    count, needed, available = len(sizes), sum(sizes), psutil.virtual_memory().available
    if needed > available:
        raise UserError(
            f"config.train.keep_decoded is true, but {count} decoded training pictures take {_gib(needed)}; found "
            f"{_gib(available)} of memory available, which hold {count * available // needed} of them: leave it false"
        )
    return (
        f"decoded pictures are kept in memory: {count} records x {needed / count / 1e3:.0f} kB = {_gib(needed)} of "
        f"{_gib(available)} available"
    )


def _decoded_bytes(data: bytes) -> int:
    try:
        return image_files.decoded_bytes(data)
    except UserError:  # a damaged picture is never kept; the reader tells of it
        return 0


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
