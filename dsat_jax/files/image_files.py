"""Decoding of image files of unknown origin: the header is checked first, and incomplete images are refused."""

import importlib
import io
import pathlib
import stat

import cv2
import numpy as np
import PIL.ImageOps
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from dsat_jax.errors import UserError

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
    *(".avif", ".heic", ".heif", ".hif"),
)
# Pillow also refuses larger images, as decompression bombs. An RGB image of this size takes half a gigabyte. A file of
# a few kilobytes can claim any size, and OpenCV would allocate up to its limit of 3 GiB. That limit can only be lowered
# by an environment variable that OpenCV reads at its first import.
MOST_PIXELS = 178_956_970
# Size of an uncompressed image of that many pixels with four channels of 16 bits.
MOST_BYTES = 8 * MOST_PIXELS
# Pillow reads the headers of these formats, OpenCV the pixels. Files in other formats of OpenCV (OpenEXR, Radiance, Sun
# raster, ...) are refused before they reach its decoders.
_HEADERS = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}

# Formats that Pillow reads and OpenCV's wheels do not, with the module and the class of the reader. They are imported
# when they are needed.
_BY_PILLOW = {
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif.as_plugin", "HeifImageFile"),
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG_DEPTH = 24  # place of the depth in a PNG file
_BITS_PER_SAMPLE = 258  # TIFF's tag
_DEPTHS = (10, 12, 16)  # bits of a sensor
_ORIENTATION, _UPRIGHT = 0x0112, 1  # EXIF's tag, and its value for an image that is shown as it is stored
_ANIMATED = ("PNG", "WebP", "GIF", "AVIF")  # for a TIFF file, the first page is decoded, as in image viewers

# This module raises exceptions for decoding errors; without the next line, OpenCV would also print log messages.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_bytes(path: pathlib.Path) -> bytes:
    """Reads an image file, or a file of comparable size.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if it is not a regular file (reading a pipe may never end) or has more than `MOST_BYTES`; the message
        does not name the file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError("found a folder, a pipe or a device, expected a file")
    if status.st_size > MOST_BYTES:
        raise UserError(f"found {status.st_size} bytes, expected at most {MOST_BYTES}")
    return path.read_bytes()


def decode(data: bytes, upright: bool) -> np.ndarray:
    """Decodes an image of any supported format, depth and colour space.

    Grey, palette and CMYK images are converted to RGB, and 16-bit values to 8 bits, see `in_8_bits`. Transparency is
    ignored.

    Args:
      data: content of the file.
      upright: whether to apply the EXIF orientation, as image viewers do.

    Returns:
      Image, uint8 [height, width, 3] RGB.

    Raises:
      UserError: if the format is not supported, or the image is animated, incomplete, or has more than `MOST_PIXELS`
        pixels; the message does not name the file.
    """
    name, header = _checked_header(data)
    if name in _BY_PILLOW:
        return _decode_by_pillow(header, data, upright)
    flags = cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    if _has_16_bits(name, header, data):
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # an assertion on the size
        raise _undecodable(data) from error
    if pixels is None:
        raise _undecodable(data)
    return in_8_bits(pixels) if pixels.dtype == np.uint16 else pixels


def _decode_by_pillow(header: ImageFile.ImageFile, data: bytes, upright: bool) -> np.ndarray:
    try:
        image = PIL.ImageOps.exif_transpose(header) if upright else header
        return np.asarray(image.convert("RGB"))
    except Exception as error:  # damaged files make Pillow raise many types of errors
        raise _undecodable(data) from error


def in_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Converts values of 16 bits: uint16 to uint8 of the same shape.

    Sensors of 10 or 12 bits are often stored without scaling in files of 16 bits. An image without any value above
    their range is taken as one of them: as an image of 16 bits it would be black.
    """
    bits = next(bits for bits in _DEPTHS if pixels.max(initial=0) < 2**bits)
    return (pixels >> (bits - 8)).astype(np.uint8)


def decoded_bytes(data: bytes) -> int:
    """Returns the number of bytes of the array that `decode` returns, from the header alone.

    Raises:
      UserError: if `decode` would refuse the image because of its header.
    """
    width, height = stored_size(data)
    return width * height * 3


def is_turned(data: bytes) -> bool:
    """Returns whether the EXIF orientation turns or mirrors an image, so that viewers do not show it as it is stored.

    Raises:
      UserError: if the format is not supported, or the header is damaged; the message does not name the file.
    """
    _, header = _read_header(data)
    try:
        return header.getexif().get(_ORIENTATION, _UPRIGHT) in range(_UPRIGHT + 1, 9)
    except Exception as error:  # damaged EXIF makes Pillow raise many types of errors
        raise _undecodable(data) from error


def stored_size(data: bytes) -> tuple[int, int]:
    """Returns width and height of an image as it is stored, from the header alone.

    Raises:
      UserError: if the image is too large or animated, or the header is damaged; the message does not name the file.
    """
    _, header = _checked_header(data)
    return header.size


def _checked_header(data: bytes) -> tuple[str, ImageFile.ImageFile]:
    """Returns the format and the header of an image; refuses an image that is too large or animated."""
    name, header = _read_header(data)
    width, height = header.size
    if width * height > MOST_PIXELS:
        raise UserError(f"a {name} image of {width} x {height} px, expected at most {MOST_PIXELS} pixels")
    if name in _ANIMATED and header.n_frames > 1:
        raise UserError(f"a {name} file of {header.n_frames} images, expected one")
    if name == "PNG":
        _check_chunks(data)
    return name, header


def _has_16_bits(name: str, header: ImageFile.ImageFile, data: bytes) -> bool:
    """Returns whether an image has values of 16 bits."""
    if name == "PNG":
        return data[_PNG_DEPTH] == 16
    return name == "TIFF" and 16 in np.atleast_1d(header.tag_v2.get(_BITS_PER_SAMPLE, 1))


def _check_chunks(data: bytes) -> None:
    """Refuses a PNG file with a chunk longer than the file, for which OpenCV would allocate up to 4 GiB."""
    start = 8  # length of the signature
    while start + 8 <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        if start + 12 + length > len(data):
            raise _undecodable(data)
        start += 12 + length  # length field, type and checksum have 4 bytes each


def _read_header(data: bytes) -> tuple[str, ImageFile.ImageFile]:
    """Returns the format and the header of an image."""
    for name, read in _HEADERS.items():
        try:
            return name, read(io.BytesIO(data))
        except SyntaxError:  # Pillow's error for a file of another format
            continue
        except Exception as error:  # damaged lengths make Pillow raise many types of errors
            raise _undecodable(data) from error
    name = format_by_pillow(data)
    if name is None:
        raise _undecodable(data)
    module, reader = _BY_PILLOW[name]
    try:
        return name, getattr(importlib.import_module(module), reader)(io.BytesIO(data))
    except ModuleNotFoundError as error:
        raise UserError(f"{name} is read by the package pillow-heif: pip install 'dsat_jax[heif]'") from error
    except Exception as error:
        raise _undecodable(data) from error


def format_by_pillow(data: bytes) -> str | None:
    """Returns the key of the reader in Pillow, from the first bytes of a file; None for a file of another format."""
    if data[:4] == b"GIF8":
        return "GIF"
    if data[4:8] != b"ftyp":
        return None
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, min(int.from_bytes(data[:4], "big"), 64), 4))]
    if {b"avif", b"avis"} & set(brands):
        return "AVIF"
    return "HEIF" if brands[0] in _HEIF_BRANDS else None


def _undecodable(data: bytes) -> UserError:
    *formats, last = (*_HEADERS, *_BY_PILLOW)
    return UserError(
        f"{len(data)} bytes that do not decode as an image, expected {', '.join(formats)} or {last}"
    )
