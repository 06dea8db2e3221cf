"""The contents of a folder: its images, the files of points next to them, and the image that a name refers to."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

from dsat_jax.files import image_files
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.options import BESIDE, FILE
from tfds_builders.raw_files import check_name, stays_inside


@dataclasses.dataclass(frozen=True)
class Contents:
    """The files of a folder; all paths are relative to it.

    Attributes:
      pictures: the images, sorted within each folder.
      points: suffix of `options.BESIDE` -> path without suffix -> path.
    """

    pictures: Sequence[str]
    points: Mapping[str, Mapping[str, str]]


def walk(root: pathlib.Path) -> Contents:
    """Lists the images and points of a folder and its subfolders; links to folders are followed, each folder once.

    Raises:
      BuildError: if a name is not in UTF-8.
    """
    pictures = []
    points: dict[str, dict[str, str]] = {suffix: {} for suffix in BESIDE}
    walked = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        walked.add(os.path.realpath(folder))
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(folder, name)) not in walked
        )
        for name in sorted(names):
            if name.startswith("."):  # macOS leaves such files in archives
                continue
            path = (pathlib.Path(folder) / name).relative_to(root)
            check_name(path.as_posix(), root)
            suffix = path.suffix.lower()
            if suffix in image_files.SUFFIXES:
                pictures.append(path.as_posix())
            elif suffix in points and path.name != FILE:
                points[suffix][path.with_suffix("").as_posix()] = path.as_posix()
    return Contents(pictures, points)


def choose_points(root: pathlib.Path, contents: Contents) -> Sequence[str]:
    """Finds the files of points and returns them as `Options.points` names them.

    Text files beside images can be anything, and so can an .xml file: they are chosen if there is nothing else.

    Raises:
      BuildError: if there are none, or more than one choice.
    """
    stems = [os.path.splitext(picture)[0] for picture in contents.pictures]
    counts = {suffix: sum(stem in files for stem in stems) for suffix, files in contents.points.items()}
    beside = [suffix for suffix in BESIDE if counts[suffix] and suffix != ".txt"]
    if len(beside) > 1:
        found = " and ".join(f"{counts[suffix]} images have a {suffix} file" for suffix in beside)
        choices = " or ".join(f'"*{suffix}"' for suffix in beside)
        raise BuildError(f"{root}: {found}, expected one form; choose it as `points` in {FILE}: {choices}")
    if beside:
        return [f"*{beside[0]}"]
    names = sorted(path.name for path in root.iterdir() if path.name != FILE and path.name[0] != ".")
    single = [name for name in names if name.lower().endswith((".csv", ".json"))]
    if not single and counts[".txt"]:
        return ["*.txt"]
    if not single:
        single = [name for name in names if name.lower().endswith(".xml")]
    if len(single) == 1 or (single and all(forms.is_coco(root / name) for name in single)):
        return single
    found = ", ".join(single) or "no .csv, .json or .xml"
    raise BuildError(
        f"{root}: no image has a {', '.join(BESIDE[:-1])} or {BESIDE[-1]} file, and the folder has {found} for all of "
        f"them; expected one, or its name as `points` in {FILE}"
    )


def make_finder(pictures: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Returns a function from an image's name in an annotation or list to the images that fit it.

    A name is a path relative to the folder. If there is no such image, all images whose path ends with the name fit. An
    absolute path, of any system, is that of the computer where the folder was made: the image fits with whose path it
    ends, the longest of several, or without any, all images with its last part.

    Args:
      pictures: paths of the images, relative to the folder.
    """
    known = set(pictures)
    by_name: dict[str, list[str]] = {}
    for picture in pictures:
        by_name.setdefault(pathlib.PurePosixPath(picture).name, []).append(picture)

    def find(name: str) -> Sequence[str]:
        if name in known:
            return [name]
        if absolute := _absolute(name):
            of_name = by_name.get(absolute.name, ())
            ends = [p for p in of_name if str(absolute).endswith(f"/{p}")]
            return [max(ends, key=len)] if ends else of_name
        if not stays_inside(name):
            return []
        path = pathlib.PurePosixPath(name.replace("\\", "/")).as_posix()
        if path in known:
            return [path]
        return [p for p in by_name.get(pathlib.PurePosixPath(path).name, ()) if p.endswith(f"/{path}")]

    return find


def _absolute(name: str) -> pathlib.PurePosixPath | None:
    """An absolute path of Windows or of another system, with slashes; None for a relative path, or one with `..`."""
    path = pathlib.PureWindowsPath(name)
    if not path.root or ".." in path.parts:
        return None
    return pathlib.PurePosixPath("/", *path.parts[1:])
