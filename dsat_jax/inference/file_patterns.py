"""Image and video files given on the command line as files, folders and patterns."""

import os
import pathlib
from collections.abc import Sequence

from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.inference import video_files

SUFFIXES = (*image_files.SUFFIXES, *video_files.SUFFIXES)


def list_files(patterns: Sequence[str]) -> list[pathlib.Path]:
    """Returns the files that some names and patterns match, sorted and without duplicates.

    Args:
      patterns: files, folders or glob patterns; a folder matches the images and videos directly in it, recognised by
        their suffixes.

    Raises:
      FileNotFoundError: if a pattern matches no file.
      UserError: if a pattern is empty or invalid, or a file name is not in UTF-8.
    """
    if not patterns:
        raise FileNotFoundError("--images names no file: expected --images=FILE, FOLDER or 'PATTERN*.jpg'")
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
    if pathlib.Path(pattern).is_dir():
        return f"; '{pattern}/**/*.jpg' also matches files in the folders below it"
    return "; a comma separates names, ? matches a comma in a name" if count > 1 else ""


def is_video(file: pathlib.Path) -> bool:
    """Whether a file has the suffix of a video."""
    return file.suffix.lower() in video_files.SUFFIXES


def _matches(pattern: str) -> list[pathlib.Path]:
    if not pattern:  # `pathlib` would take it for the current folder
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
        raise UserError(f"{pattern} is not a valid pattern: {error}") from error
