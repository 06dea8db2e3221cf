"""The seal of a checkpoint: what its files must be, so that no damage to them goes unseen.

A seal is JSON that lists every file with its length and CRC-32, beside what is known of the checkpoint. Without it most
flipped bytes would be restored without a word: Orbax checks the lengths of its arrays, not their bytes.
"""

import json
import pathlib
import zlib
from typing import Any

FILE_NAME = "seal.json"
_NAMED = 3  # files in a message; the rest are counted
_CHUNK = 1 << 22  # bytes


class DamagedError(ValueError):
    """A checkpoint is not what was saved."""


def write(folder: pathlib.Path, facts: dict[str, Any]) -> None:
    """Seals a folder whose other files are complete.

    Args:
      folder: of a checkpoint.
      facts: what `read` shall return; in JSON's types.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _crc32(path)] for path in paths}
    sealed = {"facts": facts, "files": files}
    (folder / FILE_NAME).write_text(json.dumps({"crc32": _crc32_of(sealed), "sealed": sealed}) + "\n")


def read(folder: pathlib.Path) -> dict[str, Any]:
    """The facts that a folder was sealed with; its other files are not looked at.

    Args:
      folder: of a checkpoint.

    Raises:
      DamagedError: if the seal is missing or not as it was written.
    """
    return _read(folder)["facts"]


def check(folder: pathlib.Path) -> None:
    """Compares every byte of a checkpoint's files with its seal.

    Args:
      folder: of a checkpoint.

    Raises:
      DamagedError: naming what differs.
    """
    files = _read(folder)["files"]
    damage = [text for name, (size, crc) in files.items() if (text := _file_damage(folder / name, size, crc))]
    if damage:
        more = f" and {len(damage) - _NAMED} more" if len(damage) > _NAMED else ""
        raise DamagedError("; ".join(damage[:_NAMED]) + more)


def _read(folder: pathlib.Path) -> dict[str, Any]:
    try:
        contents = json.loads((folder / FILE_NAME).read_bytes())
        if contents["crc32"] == _crc32_of(contents["sealed"]):
            return contents["sealed"]
    except FileNotFoundError:
        raise DamagedError(f"{FILE_NAME} is missing") from None
    except (ValueError, LookupError, TypeError, RecursionError):  # no JSON, or JSON of another form
        pass
    raise DamagedError(f"{FILE_NAME} is not as it was written")


def _file_damage(path: pathlib.Path, size: int, crc: int) -> str | None:
    """What is wrong with a file that must have this length and CRC-32; None if nothing is."""
    if not path.is_file():
        return f"{path.name} is missing"
    found = path.stat().st_size
    if found != size:
        return f"{path.name} has {found} bytes instead of {size}"
    return None if _crc32(path) == crc else f"the bytes of {path.name} have changed"


def _crc32(path: pathlib.Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _crc32_of(sealed: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(sealed, sort_keys=True).encode())
