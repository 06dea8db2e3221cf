"""The raw files that a dataset was built from, kept with it, so that a later build notices changes."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import decode
from tfds_builders import BuildError

FILE = "built_from.txt"
_BUILT = "dataset_info.json"  # every dataset of TFDS has this file
_SHOWN = 3  # files that a message names


@dataclasses.dataclass(frozen=True)
class Sources:
    """The files of a raw dataset.

    Attributes:
      folder: absolute path of the raw dataset.
      files: path relative to the folder -> size in bytes and time of the last change in nanoseconds.
    """

    folder: str
    files: Mapping[str, tuple[int, int]]

    def text(self) -> str:
        """The contents of the file that `read` reads: the folder, and a line for each file."""
        lines = [f"{size} {time} {path}" for path, (size, time) in self.files.items()]
        return "\n".join([self.folder, *lines]) + "\n"

    def changes_to(self, current: "Sources") -> str:
        """The differences from the files of a build to those of now, in words; empty if there are none.

        Times count if the folder is the same: a copy of the files is not a change.
        """
        same_folder = self.folder == current.folder
        kept = self.files.keys() & current.files.keys()
        changed = [
            path
            for path in kept
            if self.files[path][0] != current.files[path][0]
            or (same_folder and self.files[path] != current.files[path])
        ]
        kinds = {
            "new": current.files.keys() - self.files.keys(),
            "changed": changed,
            "missing": self.files.keys() - current.files.keys(),
        }
        return ", ".join(
            f"{len(paths)} {kind} ({_some(sorted(paths))})" for kind, paths in kinds.items() if paths
        )


def _some(paths: list[str]) -> str:
    more = ", ..." if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def find(folder: pathlib.Path) -> Sources:
    """Lists the files of a raw dataset, without hidden ones and built datasets below it."""
    files = {}
    for path in _walk(folder):
        state = path.stat()
        files[path.relative_to(folder).as_posix()] = (state.st_size, state.st_mtime_ns)
    return Sources(os.path.realpath(folder), dict(sorted(files.items())))


def _walk(root: pathlib.Path) -> Iterator[pathlib.Path]:
    walked = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        walked.add(os.path.realpath(folder))
        if _BUILT in names:
            folders.clear()
            continue
        folders[:] = [
            name
            for name in folders
            if name[0] != "." and os.path.realpath(os.path.join(folder, name)) not in walked
        ]
        paths = (pathlib.Path(folder, name) for name in names if name[0] != ".")
        yield from (path for path in paths if path.is_file())


def read(path: pathlib.Path) -> Sources:
    """Reads the file of a built dataset.

    Raises:
      BuildError: if it is not in the form of `Sources.text`.
    """
    try:
        folder, *lines = decode(path.read_bytes()).splitlines()
        words = [line.split(" ", 2) for line in lines]
        return Sources(folder, {name: (int(size), int(time)) for size, time, name in words})
    except (ValueError, UserError) as error:
        raise BuildError(f"{path}: {error}, expected a folder and lines SIZE TIME PATH") from error
