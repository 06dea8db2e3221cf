"""Picture files of unknown origin: looked at before they are decoded, and decoded whole or refused."""

import io
import pathlib
import stat

import cv2
import numpy as np
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from dsat_jax.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# From here on Pillow, too, refuses a picture as a decompression bomb: half a gigabyte of RGB, three times the pixels of
# a good camera. A file of a few kilobytes can claim any size, and OpenCV alone would fill the 3 GiB of its own limit.
# (That can be lowered, but only by a variable of the environment that OpenCV reads when it is first imported.)
MOST_PIXELS = 178_956_970
# No file with so many pixels is larger: four channels of 16 bits, uncompressed.
MOST_BYTES = 8 * MOST_PIXELS
# Pillow reads the headers of these formats, OpenCV the pixels; what is in OpenCV's other formats (OpenEXR, Radiance,
# Sun raster, ...) never reaches their decoders.
_HEADERS = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}

_ANIMATED = ("PNG", "WebP")  # the further pages of a TIFF file are passed over, as viewers do

# What cannot be decoded is an exception here; OpenCV would print lines of its own beside it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_bytes(path: pathlib.Path) -> bytes:
    """The contents of a picture's file, or of one beside it.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: if it is no regular file (a pipe would never end), or larger than any picture; the message does not
        name the file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError("found a folder, a pipe or a device, expected a file")
    if status.st_size > MOST_BYTES:
        raise UserError(f"found {status.st_size} bytes, expected at most {MOST_BYTES}")
    return path.read_bytes()


def decode(data: bytes, upright: bool) -> np.ndarray:
    """Decodes a picture, whatever its format, its depth and its colours.

    Grey, palette and CMYK pictures become RGB, 16 bits become 8, and transparency is left out.

    Args:
      data: contents of the file.
      upright: apply the EXIF orientation, as viewers do; otherwise the pixels come as they are stored.

    Returns:
      uint8 [height, width, 3] RGB.

    Raises:
      ValueError: if the data is no picture in one of the formats, an animation, has more than `MOST_PIXELS`, or stops
        short; the message does not name the file.
    """
    _checked_size(data)
    flags = cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # its assertions on sizes
        raise _undecodable(data) from error
    if pixels is None:
        raise _undecodable(data)
    return pixels


def decoded_bytes(data: bytes) -> int:
    """How large the array is that `decode` makes of a picture, by its header alone.

    Raises:
      ValueError: as `decode`, as far as the header tells.
    """
    width, height = _checked_size(data)
    return width * height * 3


def _checked_size(data: bytes) -> tuple[int, int]:
    """Width and height of a picture; refuses what cannot be decoded within bounds, without decoding it."""
    name, header = _read_header(data)
    width, height = header.size
    if width * height > MOST_PIXELS:
        raise UserError(f"a {name} picture of {width} x {height} px, expected at most {MOST_PIXELS} pixels")
    if name in _ANIMATED and header.n_frames > 1:
        raise UserError(f"a {name} file of {header.n_frames} pictures, expected one")
    if name == "PNG":
        _check_chunks(data)
    return width, height


def _check_chunks(data: bytes) -> None:
    """Refuses a PNG file with a chunk that ends behind it: OpenCV would fill its whole length first, up to 4 GiB."""
    start = 8  # the signature
    while start + 8 <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        if start + 12 + length > len(data):
            raise _undecodable(data)
        start += 12 + length  # length, type, data, checksum


def _read_header(data: bytes) -> tuple[str, ImageFile.ImageFile]:
    """The format of a picture, and its header."""
    for name, read in _HEADERS.items():
        try:
            return name, read(io.BytesIO(data))
        except SyntaxError:  # Pillow's word for another format
            continue
        except Exception as error:  # Pillow takes any bytes for lengths, and fails in every way there is
            raise _undecodable(data) from error
    raise _undecodable(data)


def _undecodable(data: bytes) -> UserError:
    *formats, last = _HEADERS
    return UserError(
        f"{len(data)} bytes that do not decode as an image, expected {', '.join(formats)} or {last}"
    )
