"""Places of runs, datasets and weights: local folders, or folders of a bucket of Google Cloud Storage (`gs://`).

A local place is a `pathlib.Path`, one of a bucket an `epath.Path` of etils, which has the same methods. Only the latter
needs etils and gcsfs. A bucket has no folders: they exist as long as an object has their name in its own. Writing an
object is atomic; objects cannot grow, and have no locks.
"""

import contextlib
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator

from dsat_jax.errors import UserError

_PREFIX = "gs://"
_CLIENTS = ("aiohttp", "gcsfs", "google", "requests")  # packages whose errors are those of a bucket


def locate(name: str | os.PathLike) -> pathlib.Path:
    """Returns the path of a file or folder, which need not exist. Every path that a user gives passes through here.

    Args:
      name: local path, in which `~` is the home folder, or `gs://BUCKET/NAME`.

    Raises:
      UserError: if the name starts with `~` and there is no home folder, if it has another scheme or no bucket, if one
        in a bucket contains a character of patterns, which etils and Orbax would expand, or if the packages for buckets
        are not installed.
    """
    text = os.fspath(name)
    scheme, separator, rest = text.partition("://")
    if not separator or "/" in scheme:
        return _local(text)
    if not text.startswith(_PREFIX) or rest.startswith("/") or not rest:
        raise UserError(
            f"{text}: expected a local path, or gs://BUCKET/NAME for a bucket of Google Cloud Storage"
        )
    if set(rest) & set("*?[]"):
        raise UserError(f"{text}: found one of * ? [ ] in the name, expected none in a bucket")
    # Otherwise etils would import TensorFlow where it is installed.
    os.environ.setdefault("EPATH_USE_TF", "false")
    try:
        import fsspec
        import gcsfs  # noqa: F401
        from etils import epath
    except ImportError as error:
        raise UserError(
            f"{text} needs {error.name}, which is not installed: pip install 'dsat_jax[gcs]'"
        ) from error
    # What it logs, with tracebacks, is also raised, and said in one sentence.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    # Other processes and TensorStore change the bucket, too.
    fsspec.config.conf.setdefault("gcs", {})["use_listings_cache"] = False
    return epath.Path(text.rstrip("/"))


def _local(text: str) -> pathlib.Path:
    """Returns a local path. Shells leave `~` as it is behind `=`."""
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{text}: the home folder is unknown; set HOME, or write the path without ~"
        ) from error


def reach(name: str | os.PathLike) -> pathlib.Path:
    """Returns the path of a file or folder, which need not exist; its bucket, if any, must exist.

    Args:
      name: local path, or `gs://BUCKET/NAME`.

    Raises:
      UserError: as `locate`, or if the bucket does not exist or cannot be read.
    """
    path = locate(name)
    if not in_bucket(path):
        return path
    bucket = str(path).removeprefix(_PREFIX).partition("/")[0]
    try:
        missing = not path.exists() and not _file_system().exists(bucket)
    except Exception as error:  # missing credentials and permissions raise errors of several packages
        raise UserError(f"{path}: the bucket {bucket} cannot be read: {_first_line(error)}") from error
    if missing:
        raise UserError(
            f"{path}: found no bucket {bucket}, expected one (gcloud storage buckets create {_PREFIX}{bucket})"
        )
    return path


def in_bucket(path: str | os.PathLike) -> bool:
    """Returns whether a path is in a bucket."""
    return os.fspath(path).startswith(_PREFIX)


def absolute(path: pathlib.Path) -> pathlib.Path:
    """Returns a path that does not depend on the current folder; links of local paths are resolved."""
    return path if in_bucket(path) else path.resolve()


def size(path: pathlib.Path) -> int:
    """Returns the size of a file in bytes."""
    status = path.stat()
    return status.length if in_bucket(path) else status.st_size


def files_in(folder: pathlib.Path) -> dict[str, int]:
    """Returns the sizes in bytes of all files in a folder and its subfolders, by sorted name relative to the folder."""
    if in_bucket(folder):
        return {name: facts["size"] for name, facts in _objects(folder).items()}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def versions_in(folder: pathlib.Path) -> dict[str, str]:
    """Returns the generation of each object in a folder of a bucket, by name; a replaced object has another one."""
    return {name: str(facts["generation"]) for name, facts in _objects(folder).items()}


def download(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a folder of a bucket to a local folder, which must not exist."""
    _file_system().get(str(folder), str(target), recursive=True)


@contextlib.contextmanager
def local_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a local file with the contents of a file, for a library that reads local files only."""
    if not in_bucket(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / path.name
        _file_system().get_file(str(path), str(copy))
        yield copy


def failure(error: Exception) -> str | None:
    """Returns a sentence on an error that the packages for buckets have raised; None for any other error."""
    if type(error).__module__.partition(".")[0] not in _CLIENTS:
        return None
    return f"Google Cloud Storage: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _objects(folder: pathlib.Path) -> dict[str, dict[str, object]]:
    """Returns the metadata of all objects in a folder, by name relative to it."""
    start = len(str(folder).removeprefix(_PREFIX)) + 1
    found = _file_system().find(str(folder), detail=True)
    # Objects whose names end in a slash are the folders that the console of Google Cloud shows.
    return {name[start:]: facts for name, facts in sorted(found.items()) if not name.endswith("/")}


def _file_system() -> "fsspec.AbstractFileSystem":  # noqa: F821
    import fsspec

    return fsspec.filesystem("gcs", finalize_on_close=True)  # as etils opens it
