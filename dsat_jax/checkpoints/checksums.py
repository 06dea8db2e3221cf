"""The seal of a checkpoint: what its files must be, so that no damage to them goes unseen.

A seal is JSON that lists every file with its length and CRC-32, beside what is known of the checkpoint. Without it most
flipped bytes would be restored without a word.
"""

import dataclasses
import errno
import json
import pathlib
import zlib
from collections.abc import Mapping

from dsat_jax.errors import UserError

FILE_NAME = "seal.json"
_NAMED = 3  # files in a message; the rest are counted
_CHUNK = 1 << 22  # bytes


class DamagedError(UserError):
    """A checkpoint is not what was saved."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a checkpoint.

    Attributes:
      step: of the state.
      validation_nme: in percent; None for a state that was not evaluated.
      arrays: type and shape of each by its name: `{"params/backbone/conv/kernel": "float32[3, 3, 64, 64]", ...}`.
    """

    step: int
    validation_nme: float | None
    arrays: Mapping[str, str]


def write(folder: pathlib.Path, facts: Facts) -> None:
    """Seals a folder whose other files are complete.

    Args:
      folder: of a checkpoint.
      facts: what `read` shall return.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _crc32(path)] for path in paths}
    sealed = {"facts": dataclasses.asdict(facts), "files": files}
    (folder / FILE_NAME).write_text(json.dumps({"crc32": _crc32_of(sealed), "sealed": sealed}) + "\n")


def read(folder: pathlib.Path) -> Facts:
    """The facts that a folder was sealed with; its other files are not looked at.

    Args:
      folder: of a checkpoint.

    Raises:
      DamagedError: if the seal is missing or not as it was written.
    """
    return _read(folder)[0]


def check(folder: pathlib.Path) -> None:
    """Compares every byte of a checkpoint's files with its seal.

    Args:
      folder: of a checkpoint.

    Raises:
      DamagedError: naming what differs.
    """
    _, files = _read(folder)
    damage = [text for name, (size, crc) in files.items() if (text := _file_damage(folder / name, size, crc))]
    if damage:
        more = f" and {len(damage) - _NAMED} more" if len(damage) > _NAMED else ""
        raise DamagedError("; ".join(damage[:_NAMED]) + more)


def _read(folder: pathlib.Path) -> tuple[Facts, dict[str, tuple[int, int]]]:
    """The facts, and length and CRC-32 of every file."""
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
    # No JSON, or JSON of another form; a disk that cannot read it.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        _refuse_passing(error)
    raise DamagedError(f"{FILE_NAME} is not as it was written")


def _refuse_passing(error: Exception) -> None:
    """Raises an error that may not come again, or that another user would not have: it says nothing of the file."""
    if isinstance(error, OSError) and error.errno != errno.EIO:
        raise error


def _file_damage(path: pathlib.Path, size: int, crc: int) -> str | None:
    """What is wrong with a file that must have this length and CRC-32; None if nothing is."""
    if not path.is_file():
        return f"{path.name} is missing"
    found = path.stat().st_size
    if found != size:
        return f"{path.name} has {found} bytes instead of {size}"
    try:
        return None if _crc32(path) == crc else f"the bytes of {path.name} have changed"
    except OSError as error:
        _refuse_passing(error)
        return f"{path.name} cannot be read"


def _crc32(path: pathlib.Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _crc32_of(sealed: object) -> int:
    return zlib.crc32(json.dumps(sealed, sort_keys=True).encode())
