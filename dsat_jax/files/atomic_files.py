"""Files written whole: a reader sees the old file or the new one, whatever ends the program in between."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary file that takes the name of `path` once it is complete.

    Args:
      path: file to write or to replace.

    Yields:
      The path of the temporary file, in a temporary folder beside `path`.

    Raises:
      OSError: if the file cannot be written; the message names it.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            written = pathlib.Path(folder) / path.name
            yield written
            written.replace(path)
    except OSError as error:
        raise OSError(f"{path} could not be written: {error.strerror or error}") from error


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole.

    Args:
      path: file to write or to replace.
      content: its bytes.

    Raises:
      OSError: see `replacing`.
    """
    with replacing(path) as written:
        written.write_bytes(content)


def write_text(path: pathlib.Path, content: str) -> None:
    """Writes a file of text in UTF-8 whole; for the arguments see `write_bytes`."""
    write_bytes(path, content.encode())
