"""Images of a dataset, and images for prediction."""

import os
import pathlib
import struct
import zlib

from bad_inputs.corpus import Case, Kind, build_message, encode, picture, put, put_all, reader_message
from bad_inputs.folders import prepare_pts

from dsat_jax.data import decoded_records
from dsat_jax.inference import image_input

FILE = "raw/a.jpg"
PICTURE = picture()
FORMS = {form: encode(PICTURE, form) for form in ("JPEG", "PNG", "BMP", "TIFF", "WEBP")}
JPEG, PNG, BMP, TIFF, WEBP = FORMS.values()
UNDECODABLE = "bytes that do not decode as an image, expected JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF or HEIF"
TOO_LARGE = "px, expected at most 178956970 pixels"


def png(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """A PNG file whose header has any values."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    pixels = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def patch(data: bytes, start: int, new: bytes) -> bytes:
    return data[:start] + new + data[start + len(new) :]


def jpeg(width: int, height: int) -> bytes:
    """A JPEG file whose header has another size."""
    return patch(JPEG, JPEG.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def bmp(width: int, height: int) -> bytes:
    return patch(BMP, 18, struct.pack("<ii", width, height))


def tiff(tag: int, value: int) -> bytes:
    """A TIFF file with another value of a tag that has one integer."""
    start = next(TIFF.index(struct.pack("<HHI", tag, kind, 1)) for kind in (4, 3) if
                 struct.pack("<HHI", tag, kind, 1) in TIFF)  # fmt: skip
    return patch(TIFF, start + 2, struct.pack("<HII", 4, 1, value))


def without(data: bytes, start: bytes, end: bytes) -> bytes:
    """Data without the part from one byte sequence to another."""
    return data[: data.index(start)] + data[data.index(end) :]


TRUNCATED = {
    f"{form} cut to {share:.0%}": (data[: int(share * len(data))], UNDECODABLE)
    for form, data in FORMS.items()
    for share in (0.05, 0.4, 0.8, 0.99)
}
FOREIGN = {
    form: (encode(PICTURE, form), UNDECODABLE)
    for form in ("JPEG2000", "PPM", "TGA", "ICO", "ICNS", "PCX", "PDF", "SGI", "DDS")
}
MAGIC = {
    f"only the signature of {form}": (data, UNDECODABLE)
    for form, data in {
        "JPEG": b"\xff\xd8\xff",
        "PNG": b"\x89PNG\r\n\x1a\n",
        "BMP": b"BM",
        "TIFF": b"II*\0",
        "big TIFF": b"MM\0+",
        "WebP": b"RIFF\x00\x00\x00\x00WEBPVP8X",
        "OpenEXR": b"\x76\x2f\x31\x01" + bytes(60),
        "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 4\n",
        "Sun raster": b"\x59\xa6\x6a\x95" + struct.pack(">7I", 4, 4, 24, 48, 1, 0, 0) + bytes(48),
        "AVIF": b"\x00\x00\x00\x1cftypavif" + bytes(60),
    }.items()
}
BOMBS = {
    "PNG of 30000 x 30000": (png(30_000, 30_000), "a PNG image of 30000 x 30000", TOO_LARGE),
    "PNG of one endless row": (png(2**31 - 1, 1), TOO_LARGE),
    "JPEG of 65500 x 65400": (jpeg(65_500, 65_400), "a JPEG image of 65500 x 65400", TOO_LARGE),
    "BMP of 2147483647 x 2147483647": (bmp(2**31 - 1, 2**31 - 1), TOO_LARGE),
    "BMP of negative width": (bmp(-5, 48), "a BMP image of 4294967291 x 48", TOO_LARGE),
    "TIFF of 4294967295 columns": (tiff(256, 2**32 - 1), "a TIFF image of 4294967295 x 100", TOO_LARGE),
    "PNG chunk of 2 GiB": (patch(PNG, PNG.index(b"IDAT") - 4, struct.pack(">I", 2**31 - 1)), UNDECODABLE),
    "PNG of 200000 x 2": (png(200_000, 2), UNDECODABLE),
}
HEADERS = {
    "nothing": (b"", "0 bytes"),
    "one byte": (b"\xff", UNDECODABLE),
    "zeros": (bytes(1000), UNDECODABLE),
    "text": ("hello", "5 bytes"),
    "an error page": ("<!DOCTYPE html><html>404</html>", UNDECODABLE),
    "SVG": ("<svg xmlns='http://www.w3.org/2000/svg'/>", UNDECODABLE),
    "a zip archive": (b"PK\x05\x06" + bytes(18), UNDECODABLE),
    "PNG without width": (png(0, 5), UNDECODABLE),
    "PNG without height": (png(5, 0), UNDECODABLE),
    "PNG of 3 bits": (png(4, 4, depth=3), UNDECODABLE),
    "PNG of colour type 7": (png(4, 4, colour=7), UNDECODABLE),
    "PNG interlaced in way 9": (png(4, 4, interlace=9), UNDECODABLE),
    "PNG with a wrong checksum": (patch(PNG, 29, b"\0\0\0\0"), UNDECODABLE),
    "PNG without pixels": (without(PNG, PNG[PNG.index(b"IDAT") - 4 :][:8], PNG[-12:]), UNDECODABLE),
    "JPEG without width": (jpeg(0, 100), UNDECODABLE),
    "JPEG without height": (jpeg(100, 0), UNDECODABLE),
    "JPEG of 12 bits": (patch(JPEG, JPEG.index(b"\xff\xc0") + 4, b"\x0c"), UNDECODABLE),
    "JPEG without a frame": (without(JPEG, b"\xff\xc0", b"\xff\xc4"), UNDECODABLE),
    "JPEG without a scan": (JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9", UNDECODABLE),
    "BMP without width": (bmp(0, 100), UNDECODABLE),
    "BMP of ten times the height": (bmp(100, 1000), UNDECODABLE),
    "BMP of 7 bits": (patch(BMP, 28, struct.pack("<H", 7)), UNDECODABLE),
    "TIFF that begins behind its end": (patch(TIFF, 4, struct.pack("<I", 2**31)), UNDECODABLE),
    "TIFF that begins in its header": (b"II*\0\x00\x00\x00\x00" + bytes(20), UNDECODABLE),
    "TIFF in an unknown compression": (tiff(259, 60_000), UNDECODABLE),
    "TIFF of decimals": (encode(PICTURE.convert("F"), "TIFF"), UNDECODABLE),
    "TIFF of 32 bits": (encode(PICTURE.convert("I"), "TIFF"), UNDECODABLE),
    "animated PNG": (
        encode(PICTURE, "PNG", save_all=True, append_images=[PICTURE.rotate(90)]),
        "a PNG file of 2 images, expected one",
    ),
    "animated WebP": (
        encode(PICTURE, "WEBP", save_all=True, append_images=[PICTURE.rotate(90)]),
        "a WebP file of 2 images, expected one",
    ),
}


def replace(make: object) -> object:
    """Replaces the image by something that is not a regular file."""

    def spoil(root: pathlib.Path) -> None:
        (root / FILE).unlink()
        make(root / FILE)

    return spoil


def huge(path: pathlib.Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


FILES = {
    "a pipe": Case(replace(os.mkfifo), ("a.jpg", "found a folder, a pipe or a device, expected a file")),
    "a device": Case(replace(lambda path: path.symlink_to("/dev/zero")), ("a.jpg", "expected a file")),
    "a link to nowhere": Case(replace(lambda path: path.symlink_to("b.jpg")), ("a.jpg", "No such file")),
    "a link to itself": Case(replace(lambda path: path.symlink_to(path)), ("a.jpg", "symbolic links")),
    "a terabyte": Case(replace(huge), ("a.jpg", "found 1099511627776 bytes, expected at most")),
}


def enter(root: pathlib.Path) -> str | None:
    """Both the builder and the prediction must refuse it."""
    messages = [
        build_message("landmark_folder", root),
        reader_message(lambda: image_input.read_image(root / FILE)),
    ]
    return None if None in messages else "\n".join(messages)


CASES = put_all(FILE, TRUNCATED | FOREIGN | MAGIC | BOMBS | HEADERS) | FILES

RECORDS = 20_000


def enter_memory(root: pathlib.Path) -> str | None:
    """The check before the first training step whether many records of one image fit into memory when decoded."""
    record = {"image": (root / FILE).read_bytes()}
    return reader_message(lambda: decoded_records.planned_memory([record] * RECORDS))


KEPT = f"config.train.keep_decoded is true, but {RECORDS} decoded training images take"
HELD = "GiB of available memory, enough for"
MEMORY_CASES = {
    "terabytes of PNG": Case(put(FILE, png(13_000, 13_000)).spoil, (f"{KEPT} 9443.61 GiB; found", HELD)),
    "terabytes of JPEG": Case(put(FILE, jpeg(10_000, 17_000)).spoil, (f"{KEPT} 9499.49 GiB; found", HELD)),
}

KINDS = {
    "images": Kind(prepare_pts, enter, CASES),
    "images that are kept in memory": Kind(prepare_pts, enter_memory, MEMORY_CASES),
}
