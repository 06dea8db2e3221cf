"""Images of every depth and colour are decoded as by Pillow; damaged and oversized files are refused."""

import io
import os
import pathlib
import resource
import struct
import sys
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from dsat_jax.files import image_files
from dsat_jax.inference import image_input
from dsat_jax.records import DamagedRecord, decode_picture

pillow_heif.register_heif_opener()
ROWS, COLUMNS = np.mgrid[:48, :64]
RGB = np.stack([COLUMNS * 4, ROWS * 5, (ROWS + COLUMNS) * 2], axis=-1).astype(np.uint8)
PICTURE = Image.fromarray(RGB)


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG file of 8-bit grey that claims a size, independent of its compressed pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("form", "modes"),
    [
        ("PNG", ["1", "L", "LA", "P", "RGB", "RGBA"]),
        ("JPEG", ["L", "RGB", "CMYK"]),
        ("BMP", ["1", "P", "RGB", "RGBA"]),
        ("TIFF", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"]),
        ("WEBP", ["RGB", "RGBA"]),
    ],
)
def test_every_colour_becomes_the_same_rgb_as_in_pillow(form: str, modes: list[str]):
    for mode in modes:
        source = PICTURE.convert("L").convert("LA") if mode == "LA" else PICTURE.convert(mode)
        data = encode(source, form)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int32)
        difference = np.abs(image_files.decode(data, upright=True) - expected)
        assert difference.mean() <= 1, mode  # Pillow and OpenCV round CMYK differently


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(form: str):
    deep = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    decoded = image_files.decode(encode(deep, form), upright=True)
    np.testing.assert_array_equal(decoded, np.repeat(RGB[..., :1], 3, axis=-1))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_images_of_fewer_bits_in_sixteen_are_not_black(form: str, bits: int):
    values = RGB[..., 0].astype(np.uint16) << (bits - 8)
    decoded = image_files.decode(encode(Image.fromarray(values), form), upright=True)
    np.testing.assert_array_equal(decoded, np.repeat(RGB[..., :1], 3, axis=-1))


def test_coloured_images_of_twelve_bits_in_sixteen_keep_their_colours():
    data = cv2.imencode(".png", RGB[..., ::-1].astype(np.uint16) << 4)[1].tobytes()
    np.testing.assert_array_equal(image_files.decode(data, upright=True), RGB)


def test_the_exif_orientation_is_applied_only_if_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    data = encode(PICTURE, "PNG", exif=exif)
    np.testing.assert_array_equal(image_files.decode(data, upright=False), RGB)
    np.testing.assert_array_equal(image_files.decode(data, upright=True), np.rot90(RGB, -1))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "AVIF", "HEIF"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9, 0.98])
def test_an_incomplete_image_is_refused(form: str, share: float):
    data = encode(PICTURE, form)
    with pytest.raises(ValueError, match="bytes that do not decode as an image"):
        image_files.decode(data[: int(share * len(data))], upright=True)


@pytest.mark.parametrize("form", ["GIF", "AVIF", "HEIF"])
def test_formats_without_opencv_are_decoded_as_by_pillow(form: str):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(PICTURE, form, **({} if form == "GIF" else {"exif": exif}))
    with Image.open(io.BytesIO(data)) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    np.testing.assert_array_equal(image_files.decode(data, upright=True), shown)
    assert image_files.stored_size(data) == image_files.decode(data, upright=False).shape[1::-1]


def test_heif_without_its_package_is_refused_with_its_name(monkeypatch):
    data = encode(PICTURE, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(
        ValueError, match=r"HEIF is read by the package pillow-heif: pip install 'dsat_jax\[heif\]'"
    ):
        image_files.decode(data, upright=True)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "AVIF"])
def test_an_animation_is_refused(form: str):
    data = encode(PICTURE, form, save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)])
    with pytest.raises(ValueError, match=r"a \w+ file of 3 images, expected one"):
        image_files.decode(data, upright=True)


def test_the_first_page_of_a_tiff_file_is_decoded():
    data = encode(PICTURE, "TIFF", save_all=True, append_images=[PICTURE.rotate(90)])
    np.testing.assert_array_equal(image_files.decode(data, upright=True), RGB)


@pytest.mark.parametrize("form", ["JPEG2000", "PPM", "ICNS", "TGA"])
def test_other_formats_are_refused(form: str):
    with pytest.raises(
        ValueError, match=r"do not decode as an image, expected JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF or HEIF"
    ):
        image_files.decode(encode(PICTURE, form), upright=True)


def bombs() -> dict[str, tuple[bytes, str]]:
    """Files of a few kilobytes by format, and the size that they claim."""
    jpeg, bmp, tiff = encode(PICTURE, "JPEG"), encode(PICTURE, "BMP"), encode(PICTURE, "TIFF")
    frame = jpeg.index(b"\xff\xc0") + 5
    width = tiff.index(struct.pack("<HHII", 256, 4, 1, 64)) + 8
    squeezed = zlib.compressobj()
    zeros = squeezed.compress(bytes(1 << 24)) + squeezed.flush()
    return {
        "png": (png(30_000, 30_000, zeros), "30000 x 30000"),
        "jpg": (jpeg[:frame] + struct.pack(">HH", 65_500, 65_400) + jpeg[frame + 4 :], "65400 x 65500"),
        "bmp": (bmp[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + bmp[26:], "2147483647 x 2147483647"),
        "tif": (tiff[:width] + struct.pack("<I", 2**31 - 1) + tiff[width + 4 :], "2147483647 x 48"),
    }


@pytest.mark.parametrize("form", bombs())
def test_a_decompression_bomb_is_refused_by_its_header(form: str, tmp_path: pathlib.Path):
    data, size = bombs()[form]
    path = tmp_path / f"bomb.{form}"
    path.write_bytes(data)
    message = rf"image of {size} px, expected at most 178956970 pixels"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=rf"bomb\.{form} is not an image that can be read: a \w+ {message}"):
        image_input.read_image(path)
    with pytest.raises(DamagedRecord, match=rf"^here: a \w+ {message}"):
        decode_picture(data, "here")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_png_chunk_longer_than_its_file_is_refused_before_memory_is_allocated():
    data = bytearray(encode(PICTURE, "PNG"))
    length = data.index(b"IDAT") - 4
    data[length : length + 4] = struct.pack(">I", 2**31 - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="bytes that do not decode as an image"):
        image_files.decode(bytes(data), upright=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_an_image_of_the_largest_size_is_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image_files, "MOST_PIXELS", 48 * 64)
    assert image_files.decode(encode(PICTURE, "PNG"), upright=True).shape == (48, 64, 3)
    with pytest.raises(ValueError, match="a PNG image of 64 x 49 px, expected at most 3072 pixels"):
        image_files.decode(encode(PICTURE.resize((64, 49)), "PNG"), upright=True)


def test_pipes_folders_and_devices_are_not_opened(tmp_path: pathlib.Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path, pathlib.Path("/dev/zero")):
        with pytest.raises(ValueError, match="found a folder, a pipe or a device, expected a file"):
            image_files.read_bytes(path)
    with (tmp_path / "sparse.bmp").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="found 1099511627776 bytes, expected at most 1431655760"):
        image_files.read_bytes(tmp_path / "sparse.bmp")
