"""The files of a raw dataset: listing, reading, and checks of their names."""

import pathlib
from collections.abc import Sequence

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_files(folder: pathlib.Path, suffixes: Sequence[str] = ()) -> list[pathlib.Path]:
    """The files of a folder in the order of their names; none if the folder does not exist.

    Hidden files, which macOS leaves in archives, are ignored.

    Args:
      folder: folder to list.
      suffixes: suffixes in lower case; only files with one of them are listed, also in upper case. If empty, all files
        are listed.

    Raises:
      BuildError: if a name is not in UTF-8.
    """
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    for path in files:
        check_name(str(path.relative_to(folder)), folder)
    return [path for path in files if not suffixes or path.suffix.lower() in suffixes]


def check_name(name: str, folder: pathlib.Path) -> None:
    """Refuses a file name that no dataset can store.

    Raises:
      BuildError: if it is not in UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BuildError(f"{folder}: the name of the file {name!r} is not in UTF-8; rename it") from error


def read_file(root: pathlib.Path, name: str) -> bytes:
    """Reads a file that one face needs.

    Args:
      root: the raw dataset's folder.
      name: path relative to the folder.

    Raises:
      DamagedRecord: if the file does not exist or cannot be read; see `image_files.read_bytes`.
    """
    try:
        return image_files.read_bytes(root / name)
    except OSError as error:
        raise DamagedRecord(f"{name}: cannot be read: {error.strerror}") from error
    except UserError as error:
        raise DamagedRecord(f"{name}: {error}") from error


def stays_inside(path: str) -> bool:
    """Whether a relative path that was read from a file stays in its folder; separators are `/` or a backslash."""
    windows = pathlib.PureWindowsPath(path)  # splits at both separators, and recognises drives
    return bool(windows.parts) and not windows.anchor and ".." not in windows.parts and path.isprintable()
