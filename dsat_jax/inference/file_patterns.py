"""Inputs of a prediction as the command line names them: files, folders, patterns, a camera, a stream, `-`."""

import dataclasses
import fnmatch
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference import live, media_kinds
from dsat_jax.inference.media_kinds import Kind

STDIN = "-"
FOLDERS = "**"  # in a pattern, any number of folders
_NUMBER = re.compile(r"%0?\d*d")  # the number of a frame in the patterns of FFmpeg


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Inputs of a prediction.

    Attributes:
      images: image files.
      videos: video files.
      passed_over: files of the named folders that are images in a format that is not read.
      has_stdin: whether an image comes from standard input.
      address: camera or stream, the only input; None for files.
    """

    images: list[pathlib.Path]
    videos: list[pathlib.Path]
    passed_over: tuple[pathlib.Path, ...] = ()
    has_stdin: bool = False
    address: str | None = None

    @property
    def videos_and_cameras(self) -> list[str]:
        """Names of the inputs that have many frames, for messages."""
        return [
            *(str(file) for file in self.videos),
            *([] if self.address is None else [live.shown_name(self.address)]),
        ]


def read_inputs(patterns: Sequence[str]) -> Inputs:
    """Returns the inputs that some names stand for.

    Args:
      patterns: names as `list_files` takes them, `-` for an image from standard input, or an address as
        `live.is_address` takes it.

    Raises:
      FileNotFoundError: if a pattern matches no file.
      UserError: if there are other inputs than an address, or as in `list_files`.
    """
    address = next((pattern for pattern in patterns if live.is_address(pattern)), None)
    if address is not None:
        if len(patterns) > 1:
            raise UserError(f"{live.shown_name(address)} is predicted alone, found {len(patterns)} inputs")
        return Inputs([], [], address=address)
    named = [pattern for pattern in patterns if pattern != STDIN]
    has_stdin = STDIN in patterns
    files = list_files(named) if named or not has_stdin else []
    are_videos = [media_kinds.kind(file) is Kind.VIDEO for file in files]
    folders = [path for path in map(locations.locate, named) if path.is_dir()]
    unreadable = (file for folder in folders for file in _of_kinds(folder, Kind.UNREADABLE))
    return Inputs(
        [file for file, is_video in zip(files, are_videos, strict=True) if not is_video],
        [file for file, is_video in zip(files, are_videos, strict=True) if is_video],
        tuple(sorted(unreadable)),
        has_stdin,
    )


def list_files(patterns: Sequence[str]) -> list[pathlib.Path]:
    """Returns the files that some names and patterns match, sorted and without duplicates.

    Args:
      patterns: files, folders or patterns (docs/prediction.md); a folder matches the images and videos directly in
        it, see `media_kinds.kind`.

    Raises:
      FileNotFoundError: if a pattern matches no file.
      UserError: if a pattern is empty or invalid, or a file name is not in UTF-8.
    """
    if not patterns:
        raise FileNotFoundError("found no name of an image: expected predict FILE, FOLDER or 'PATTERN*.jpg'")
    files = {}
    for pattern in patterns:
        matches = _matches(pattern)
        if not matches:
            raise FileNotFoundError(f"{pattern} matches no image or video{_hint(pattern, len(patterns))}")
        files |= {os.path.abspath(match): match for match in matches}
    for file in files.values():
        try:
            str(file).encode()
        except UnicodeEncodeError as error:  # printing its name would fail
            raise UserError(f"the file name {str(file)!r} is not in UTF-8; rename the file") from error
    return sorted(files.values())


def _hint(pattern: str, count: int) -> str:
    """Returns a hint at the likely cause of a pattern without matches."""
    if locations.locate(pattern).is_dir():
        return f"; '{pattern}/**/*.jpg' also matches files in the folders below it"
    if pattern.isdecimal():
        return f"; camera:{pattern} is a camera"
    if number := _NUMBER.search(pattern):
        return (
            f"; {pattern.replace(number[0], '*')} matches numbered images, and the faces of a film are followed: "
            f"ffmpeg -i {pattern} film.mp4"
        )
    return "; in --images a comma separates names, ? matches a comma in a name" if count > 1 else ""


def _matches(pattern: str) -> list[pathlib.Path]:
    if not pattern:  # `pathlib` would take it for the current folder
        raise UserError("found an empty name of an image, expected a file, a folder or a pattern")
    path = locations.locate(pattern)
    if path.is_dir():
        return _of_kinds(path, Kind.IMAGE, Kind.VIDEO)
    if path.exists():
        return [path]
    anchor = pathlib.Path(path.anchor)
    parts = path.relative_to(anchor).parts
    if any(FOLDERS in part and part != FOLDERS for part in parts):
        raise UserError(
            f"{pattern} is not a valid pattern: ** stands for folders, and is between slashes, as in photos/**/*.jpg"
        )
    return list(_found(anchor, parts))


def _found(folder: pathlib.Path, parts: Sequence[str]) -> Iterator[pathlib.Path]:
    """Yields the files that match a pattern in a folder, some of them perhaps twice.

    `pathlib` and `glob` differ between the versions of Python; docs/prediction.md describes the meaning here.
    """
    if not parts:
        if folder.is_file():
            yield folder
        return
    part, *rest = parts
    if part == FOLDERS:
        for below in _with_folders_below(folder):
            yield from _found(below, rest or ["*"])
    elif set(part).isdisjoint("*?[") or ("[" in part and (folder / part).exists()):
        yield from _found(folder / part, rest)
    else:
        for name in fnmatch.filter(_names_in(folder), part):
            if part.startswith(".") or not name.startswith("."):
                yield from _found(folder / name, rest)


def _with_folders_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a folder and all folders below it, without hidden ones and links, which may lead back to it."""
    yield folder
    for name in _names_in(folder):
        below = folder / name
        if not name.startswith(".") and below.is_dir() and not below.is_symlink():
            yield from _with_folders_below(below)


def _names_in(folder: pathlib.Path) -> list[str]:
    """Returns the names in a folder; none if it is no folder, or may not be read."""
    if not folder.is_dir():
        return []
    try:
        return os.listdir(folder)
    except PermissionError:
        logging.warning("%s is passed over: its files may not be listed", folder)
        return []


def _of_kinds(folder: pathlib.Path, *kinds: Kind) -> list[pathlib.Path]:
    """Returns the files directly in a folder that are of some kinds; hidden ones are left out."""
    files = (file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())
    return [file for file in files if media_kinds.kind(file) in kinds]
