"""Seals of checkpoints: checksums of all files, so that damage is detected.

A seal is a JSON file with the length and the CRC-32 of every file, and with the facts of the checkpoint. Without it,
Orbax would restore most flipped bytes without an error.
"""

import dataclasses
import errno
import json
import pathlib
import zlib
from collections.abc import Mapping

from dsat_jax.errors import UserError
from dsat_jax.files import locations

FILE_NAME = "seal.json"
_NAMED = 3  # files that a message names; it counts the rest
_CHUNK = 1 << 22  # bytes


class DamagedError(UserError):
    """A checkpoint differs from what was saved."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """Facts of a checkpoint.

    Attributes:
      step: step of the state.
      validation_nme: NME on the validation split in percent; None for a state that was not evaluated.
      arrays: type and shape of each array by name: `{"params/backbone/conv/kernel": "float32[3, 3, 64, 64]", ...}`.
    """

    step: int
    validation_nme: float | None
    arrays: Mapping[str, str]


def write(folder: pathlib.Path, facts: Facts) -> None:
    """Writes the seal of a folder whose other files are complete.

    Args:
      folder: folder of a checkpoint.
      facts: facts to store in the seal.
    """
    sizes = {name: size for name, size in locations.files_in(folder).items() if name != FILE_NAME}
    files = {name: [size, _crc32(folder / name)] for name, size in sizes.items()}
    sealed = {"facts": dataclasses.asdict(facts), "files": files}
    (folder / FILE_NAME).write_text(
        json.dumps({"crc32": _crc32_of(sealed), "sealed": sealed}) + "\n", encoding="utf-8"
    )


def read(folder: pathlib.Path) -> Facts:
    """Reads the facts in the seal of a folder; the other files are not checked.

    Args:
      folder: folder of a checkpoint.

    Raises:
      DamagedError: if the seal is missing or damaged.
    """
    return _read(folder)[0]


def check(folder: pathlib.Path) -> None:
    """Checks all files of a checkpoint against its seal.

    Args:
      folder: folder of a checkpoint.

    Raises:
      DamagedError: if a file differs; the message names it.
    """
    _, files = _read(folder)
    sizes = locations.files_in(folder)
    damage = [
        text
        for name, (size, crc) in files.items()
        if (text := _file_damage(folder / name, sizes.get(name), size, crc))
    ]
    if damage:
        more = f" and {len(damage) - _NAMED} more" if len(damage) > _NAMED else ""
        raise DamagedError("; ".join(damage[:_NAMED]) + more)


def _read(folder: pathlib.Path) -> tuple[Facts, dict[str, tuple[int, int]]]:
    """Reads the facts, and the length and CRC-32 of every file."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise DamagedError(f"{FILE_NAME} is missing")
    try:
        contents = json.loads(path.read_bytes())
        sealed = contents["sealed"]
        if contents["crc32"] == _crc32_of(sealed):
            facts = Facts(**sealed["facts"])
            nme = None if facts.validation_nme is None else float(facts.validation_nme)
            files = {name: (int(size), int(crc)) for name, (size, crc) in sealed["files"].items()}
            return Facts(int(facts.step), nme, dict(facts.arrays)), files
    # Not JSON, JSON of another structure, or a disk error.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        _reraise_unless_damage(error)
    raise DamagedError(f"{FILE_NAME} is damaged")


def _reraise_unless_damage(error: Exception) -> None:
    """Raises an operating system error that does not prove damage: a temporary one, or missing permissions."""
    if isinstance(error, OSError) and error.errno != errno.EIO:
        raise error


def _file_damage(path: pathlib.Path, file_size: int | None, size: int, crc: int) -> str | None:
    """Describes how a file differs from its sealed length and CRC-32; None if it does not differ.

    Args:
      path: file of a checkpoint.
      file_size: its length in bytes; None if it does not exist.
      size: sealed length in bytes.
      crc: sealed CRC-32.
    """
    if file_size is None:
        return f"{path.name} is missing"
    if file_size != size:
        return f"{path.name} has {file_size} bytes instead of {size}"
    try:
        return None if _crc32(path) == crc else f"the bytes of {path.name} have changed"
    except OSError as error:
        _reraise_unless_damage(error)
        return f"{path.name} cannot be read"


def _crc32(path: pathlib.Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _crc32_of(sealed: object) -> int:
    return zlib.crc32(json.dumps(sealed, sort_keys=True).encode())
