"""What lies in a folder: its pictures, the files of points beside them, and which picture a name means."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

from tfds_builders import BuildError
from tfds_builders.landmark_folder.options import FILE
from tfds_builders.raw_files import PICTURE_SUFFIXES, check_name, stays_inside


@dataclasses.dataclass(frozen=True)
class Contents:
    """The files of a folder; all paths are relative to it.

    Attributes:
      pictures: ordered.
      points: for each of the suffixes .pts and .json the files, by path without suffix.
    """

    pictures: Sequence[str]
    points: Mapping[str, Mapping[str, str]]


def walk(root: pathlib.Path) -> Contents:
    """Looks for pictures and points in a folder and all below it.

    Raises:
      BuildError: see `check_name`.
    """
    pictures = []
    points: dict[str, dict[str, str]] = {".pts": {}, ".json": {}}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):  # what macOS leaves in archives
                continue
            path = (pathlib.Path(folder) / name).relative_to(root)
            check_name(path.as_posix(), root)
            suffix = path.suffix.lower()
            if suffix in PICTURE_SUFFIXES:
                pictures.append(path.as_posix())
            elif suffix in points and path.name != FILE:
                points[suffix][path.with_suffix("").as_posix()] = path.as_posix()
    return Contents(pictures, points)


def choose_points(root: pathlib.Path, contents: Contents) -> str:
    """Finds out where the points are, in the words of `Options.points`.

    Raises:
      BuildError: if they are nowhere, or in several places.
    """
    stems = [os.path.splitext(picture)[0] for picture in contents.pictures]
    counts = {suffix: sum(stem in files for stem in stems) for suffix, files in contents.points.items()}
    if all(counts.values()):
        raise BuildError(
            f"{root}: {counts['.pts']} pictures have a .pts beside them and {counts['.json']} a .json; say which of "
            f'them counts, as `points` in {FILE}: "*.pts" or "*.json"'
        )
    for suffix, count in counts.items():
        if count:
            return f"*{suffix}"
    single = sorted(
        path.name
        for path in root.iterdir()
        if path.suffix.lower() in (".csv", ".json") and path.name != FILE and not path.name.startswith(".")
    )
    if len(single) != 1:
        raise BuildError(
            f"{root}: no .pts or .json beside a picture, and {', '.join(single) or 'no .csv or .json'} for all of "
            f"them; expected one, or its name as `points` in {FILE}"
        )
    return single[0]


def make_finder(pictures: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """A function from what annotations and lists call a picture to the pictures that this may mean.

    A name counts from the folder; where there is no such picture, all pictures whose path ends with it may be meant.

    Args:
      pictures: paths relative to the folder.
    """
    there = set(pictures)
    by_name: dict[str, list[str]] = {}
    for picture in pictures:
        by_name.setdefault(pathlib.PurePosixPath(picture).name, []).append(picture)

    def find(name: str) -> Sequence[str]:
        if name in there:
            return [name]
        if not stays_inside(name):
            return []
        path = pathlib.PurePosixPath(name.replace("\\", "/")).as_posix()
        if path in there:
            return [path]
        return [p for p in by_name.get(pathlib.PurePosixPath(path).name, ()) if p.endswith(f"/{path}")]

    return find
