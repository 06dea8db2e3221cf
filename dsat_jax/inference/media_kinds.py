"""What a file of a folder is: an image, a video, or neither, by its suffix, or else by its first bytes."""

import enum
import pathlib

from dsat_jax.files import image_files
from dsat_jax.inference import video_files

_FIRST_BYTES = 512


class Kind(enum.Enum):
    """What a file is. UNREADABLE is a format of images that is not read."""

    IMAGE = enum.auto()
    VIDEO = enum.auto()
    UNREADABLE = enum.auto()


# First bytes of formats; RIFF and ftyp, which name the format behind their own mark, are in `by_content`.
_MARKS = {
    b"\xff\xd8\xff": Kind.IMAGE,  # JPEG
    b"\x89PNG\r\n\x1a\n": Kind.IMAGE,
    b"\x1aE\xdf\xa3": Kind.VIDEO,  # Matroska, WebM
    b"0&\xb2u\x8ef\xcf\x11": Kind.VIDEO,  # Windows Media
    b"FLV\x01": Kind.VIDEO,
    b"\x00\x00\x01\xba": Kind.VIDEO,  # MPEG program stream
    b"II*\x00": Kind.UNREADABLE,  # photographs of cameras, whose first TIFF image is a thumbnail
    b"MM\x00*": Kind.UNREADABLE,
    b"FUJIFILMCCD-RAW": Kind.UNREADABLE,
    b"8BPS": Kind.UNREADABLE,  # Photoshop
    b"\xff\x0a": Kind.UNREADABLE,  # JPEG XL
    b"\x00\x00\x00\x0cJXL ": Kind.UNREADABLE,
    b"\x00\x00\x00\x0cjP  ": Kind.UNREADABLE,  # JPEG 2000
}
_SYNC, _PACKET = (
    b"G",
    188,
)  # MPEG transport stream: first byte of each packet, and the length of packets in bytes


def kind(path: pathlib.Path) -> Kind | None:
    """Returns what a file is; None for a file that is neither an image nor a video, or that cannot be read."""
    suffix = path.suffix.lower()
    if suffix in image_files.SUFFIXES:
        return Kind.IMAGE
    if suffix in video_files.SUFFIXES:
        return Kind.VIDEO
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return by_content(file.read(_FIRST_BYTES))
    except OSError:
        return None


def by_content(data: bytes) -> Kind | None:
    """Returns what a file of unknown name is, from its first 512 bytes or more; None as in `kind`."""
    for mark, found in _MARKS.items():
        if data.startswith(mark):
            return found
    if data[:4] == b"RIFF":
        return {b"WEBP": Kind.IMAGE, b"AVI ": Kind.VIDEO}.get(data[8:12])
    if image_files.format_by_pillow(data):
        return Kind.IMAGE
    if data[4:8] == b"ftyp":
        return Kind.VIDEO
    starts = [data[i : i + 1] for i in (0, _PACKET, 2 * _PACKET)]
    shifted = [data[i : i + 1] for i in (4, 4 + _PACKET + 4)]  # with the times of a camera before each packet
    return Kind.VIDEO if set(starts) == {_SYNC} or set(shifted) == {_SYNC} else None
