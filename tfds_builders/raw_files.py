"""The files of a raw dataset: read, and named by others."""

import pathlib
from collections.abc import Sequence

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_files(folder: pathlib.Path, suffixes: Sequence[str] = ()) -> list[pathlib.Path]:
    """The files of a folder in the order of their names; none if there is no such folder.

    Hidden files, which macOS leaves in archives, are passed over.

    Args:
      folder: whose files.
      suffixes: in lower case; only files with one of them, in whatever case. All files if not given.

    Raises:
      BuildError: see `check_name`.
    """
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    for path in files:
        check_name(str(path.relative_to(folder)), folder)
    return [path for path in files if not suffixes or path.suffix.lower() in suffixes]


def check_name(name: str, folder: pathlib.Path) -> None:
    """Refuses the name of a file that no dataset can store.

    Raises:
      BuildError: if it is not in UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BuildError(f"{folder}: the name of the file {name!r} is not in UTF-8; rename it") from error


def read_file(root: pathlib.Path, name: str) -> bytes:
    """The contents of a file that one face needs.

    Args:
      root: the dataset's folder.
      name: path relative to it.

    Raises:
      DamagedRecord: if there is no such file, or it cannot be read; see `picture_files.read_bytes`.
    """
    try:
        return image_files.read_bytes(root / name)
    except OSError as error:
        raise DamagedRecord(f"{name}: cannot be read: {error.strerror}") from error
    except UserError as error:
        raise DamagedRecord(f"{name}: {error}") from error


def stays_inside(path: str) -> bool:
    """Whether a path that stands in a file, with separators of either kind, is one of a file below a folder."""
    windows = pathlib.PureWindowsPath(path)  # knows both separators, and drives
    return bool(windows.parts) and not windows.anchor and ".." not in windows.parts and path.isprintable()
