"""What a file is: by its suffix, or by true files of each format under a suffix that says nothing."""

import pathlib

import cv2
import numpy as np
import PIL.Image
import pillow_heif
import pytest
from drawn_faces import picture

from dsat_jax.inference import media_kinds
from dsat_jax.inference.image_input import read_image
from dsat_jax.inference.media_kinds import Kind
from dsat_jax.inference.video_files import VideoFile

pillow_heif.register_heif_opener()
IMAGES = ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"]
# Formats that OpenCV's FFmpeg writes, with a codec for each.
VIDEOS = {
    ".mp4": "mp4v",
    ".avi": "MJPG",
    ".mkv": "MJPG",
    ".mpg": "MPG1",
    ".ts": "MPG2",
    ".flv": "FLV1",
    ".wmv": "WMV2",
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (f"a{suffix}", Kind.IMAGE)
            for suffix in (".jpg", ".JPE", ".jfif", ".gif", ".avif", ".heic", ".tif")
        ),
        *((f"a{suffix}", Kind.VIDEO) for suffix in (".mp4", ".MOV", ".mts", ".wmv", ".3gp")),
        ("mp4", None),
        ("a.txt", None),
    ],
)
def test_suffixes_that_are_known_need_no_file(name: str, expected: Kind | None):
    assert media_kinds.kind(pathlib.Path(name)) is expected


@pytest.mark.parametrize("form", IMAGES)
def test_an_image_is_recognised_by_its_content_and_can_be_read(form: str, tmp_path: pathlib.Path):
    pixels = picture((20, 30))
    PIL.Image.fromarray(pixels).save(tmp_path / "file", form)
    assert media_kinds.kind(tmp_path / "file") is Kind.IMAGE
    assert (
        np.abs(read_image(tmp_path / "file").astype(int) - pixels).mean() < 8
    )  # a palette, or lossy compression


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_video_is_recognised_by_its_content_and_can_be_read(suffix: str, tmp_path: pathlib.Path):
    file = tmp_path / f"film{suffix}"
    writer = cv2.VideoWriter(
        str(file), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*VIDEOS[suffix]), 25, (160, 128)
    )
    assert writer.isOpened()
    for _ in range(5):
        writer.write(np.full((128, 160, 3), 100, np.uint8))
    writer.release()
    assert media_kinds.kind(file.rename(tmp_path / "film")) is Kind.VIDEO
    assert next(iter(VideoFile(tmp_path / "film"))).image.shape == (128, 160, 3)


@pytest.mark.parametrize("form", ["TIFF", "JPEG2000"])
def test_images_that_are_not_read_are_named(form: str, tmp_path: pathlib.Path):
    PIL.Image.fromarray(picture((20, 30))).save(tmp_path / "file.raw", form)
    assert media_kinds.kind(tmp_path / "file.raw") is Kind.UNREADABLE


@pytest.mark.parametrize(
    "content", [b"", b"x", b"ftyp", b"landmarks,of,a,table", b"G" + bytes(600), b"RIFF0000WAVE"]
)
def test_other_files_are_neither(content: bytes, tmp_path: pathlib.Path):
    (tmp_path / "file").write_bytes(content)
    assert media_kinds.kind(tmp_path / "file") is None
    assert media_kinds.kind(tmp_path) is None
