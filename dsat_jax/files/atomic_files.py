"""Atomic writing of files: a reader sees the old file or the complete new one, even if the program is killed.

In a bucket, every object is written like that.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator

from dsat_jax.files import locations


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary file that replaces `path` when the context ends without an error.

    Args:
      path: file to write or to replace.

    Yields:
      Path of the temporary file, in a temporary folder in the folder of `path`; for a path in a bucket, in the folder
      for temporary files.

    Raises:
      OSError: if the file cannot be written; the message names `path`.
    """
    uploads = locations.in_bucket(path)
    place = {} if uploads else {"dir": path.parent}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", **place) as folder:
            written = pathlib.Path(folder) / path.name
            yield written  # an error of writing to it, as on a full disk, is named here, too
            if uploads:
                path.write_bytes(written.read_bytes())
            else:
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
    if locations.in_bucket(path):
        path.write_bytes(content)
        return
    with replacing(path) as written:
        written.write_bytes(content)


def write_text(path: pathlib.Path, content: str) -> None:
    """Writes a text file in UTF-8 atomically. Arguments: see `write_bytes`."""
    write_bytes(path, content.encode())
