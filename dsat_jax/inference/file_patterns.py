"""The pictures and videos that the command line names."""

import os
import pathlib
from collections.abc import Sequence

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.inference import video_files

SUFFIXES = (*image_files.SUFFIXES, *video_files.SUFFIXES)


def list_files(patterns: Sequence[str]) -> list[pathlib.Path]:
    """The files that files, folders and patterns name, sorted and without repetition.

    Args:
      patterns: of a folder all pictures and videos are taken, by their suffixes, not those of the folders in it.

    Raises:
      FileNotFoundError: if one of them matches nothing.
      ValueError: if one of them is empty or no pattern, or a file's name is not in UTF-8.
    """
    if not patterns:
        raise FileNotFoundError("no pictures were named: give --images=FILE, FOLDER or 'PATTERN*.jpg'")
    files = {}
    for pattern in patterns:
        matches = _matches(pattern)
        if not matches:
            raise FileNotFoundError(f"{pattern} matches no picture or video{_hint(pattern, len(patterns))}")
        files |= {os.path.abspath(match): match for match in matches}
    for file in files.values():
        try:
            str(file).encode()
        except UnicodeEncodeError as error:  # nothing could be printed about it
            raise UserError(f"the name of the picture {str(file)!r} is not in UTF-8; rename it") from error
    return sorted(files.values())


def _hint(pattern: str, count: int) -> str:
    """What may have been meant."""
    if pathlib.Path(pattern).is_dir():
        return f"; those in folders below it are '{pattern}/**/*.jpg'"
    return "; commas separate names, ? stands for one in a name" if count > 1 else ""


def is_video(file: pathlib.Path) -> bool:
    """Whether a file is a video, by its suffix."""
    return file.suffix.lower() in video_files.SUFFIXES


def _matches(pattern: str) -> list[pathlib.Path]:
    if not pattern:  # which is a path, too: that of this folder
        raise UserError("--images has an empty name between its commas")
    path = pathlib.Path(pattern)
    if path.is_dir():
        return [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]
    if path.exists():
        return [path]
    anchor = pathlib.Path(path.anchor)
    try:
        return [file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file()]
    except ValueError as error:
        raise UserError(f"{pattern} is no pattern of pictures: {error}") from error
