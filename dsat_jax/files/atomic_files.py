"""Atomic writing of files: a reader sees the old file or the complete new one, even if the program is killed."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary file that replaces `path` when the context ends without an error.

    Args:
      path: file to write or to replace.

    Yields:
      Path of the temporary file, in a temporary folder in the folder of `path`.

    Raises:
      OSError: if the file cannot be written; the message names `path`.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            written = pathlib.Path(folder) / path.name
            yield written  # an error of writing to it, as on a full disk, is named here, too
            written.replace(path)
    except OSError as error:
        raise OSError(f"{path} could not be written: {error.strerror or error}") from error


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file atomically.

    Args:
      path: file to write or to replace.
      content: content of the file.

    Raises:
      OSError: if the file cannot be written; the message names `path`.
    """
    with replacing(path) as written:
        written.write_bytes(content)


def write_text(path: pathlib.Path, content: str) -> None:
    """Writes a text file in UTF-8 atomically. Arguments: see `write_bytes`."""
    write_bytes(path, content.encode())
