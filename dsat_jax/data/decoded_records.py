"""Records with decoded images, decoded at every reading or kept in memory after the first."""

import dataclasses
from collections.abc import Sequence

import psutil

from dsat_jax.data.datasets import Record
from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records import decode_picture


@dataclasses.dataclass(frozen=True)
class DecodedRecords(Sequence):
    """Records whose images are decoded when they are read: `image` is uint8 [height, width, 3] RGB.

    Any number of threads may read the records.

    Attributes:
      source: records with encoded images, in random access.
      keep: whether a decoded record stays in memory, so that its source is read only once. Kept images are read-only.
    """

    source: Sequence[Record]
    keep: bool = False
    _kept: dict[int, Record] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        """Returns one record.

        Raises:
          DamagedRecord: at every reading of an image that cannot be decoded.
        """
        if index in self._kept:
            return self._kept[index]
        record = self.source[index]
        name = f"record {index} ({record['name'].decode()})"
        decoded = {**record, "image": decode_picture(record["image"], name)}
        if self.keep:
            # Two threads may decode the same image here, with the same result. A lock would serialise all decoding.
            decoded["image"].flags.writeable = False  # all later readings share it
            self._kept[index] = decoded
        return decoded


def planned_memory(source: Sequence[Record], reader_processes: int = 0) -> str:
    """Returns a log line with the memory that `config.train.keep_decoded` takes, computed from the image headers.

    Args:
      source: records with encoded images.
      reader_processes: `config.train.reader_processes`; each of these processes keeps all images.

    Returns:
      Number of records, their mean and total size, and the memory available now, as one line of text.

    Raises:
      UserError: if the total exceeds the available memory.
    """
    sizes = [_decoded_bytes(record["image"]) for record in source]
    count, copies, available = len(sizes), max(reader_processes, 1), psutil.virtual_memory().available
    needed = sum(sizes) * copies
    each = f" in each of {copies} reader processes" if reader_processes else ""
    if needed > available:
        raise UserError(
            f"config.train.keep_decoded is true, but {count} decoded training images{each} take {_gib(needed)}; found "
            f"{_gib(available)} of available memory, enough for {count * available // needed} of them: leave it false"
        )
    return (
        f"decoded images are kept in memory{each}: {count} records x {needed / count / copies / 1e3:.0f} kB"
        f"{f' x {copies}' if reader_processes else ''} = {_gib(needed)} of {_gib(available)} available"
    )


def _decoded_bytes(data: bytes) -> int:
    try:
        return image_files.decoded_bytes(data)
    except UserError:  # a damaged image is never kept; the reader reports it
        return 0


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
