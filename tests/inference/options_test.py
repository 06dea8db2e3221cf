"""Options of the mode predict that do not fit each other or the inputs."""

import pathlib

import pytest

from dsat_jax.errors import UserError
from dsat_jax.inference import options
from dsat_jax.inference.file_patterns import Inputs
from dsat_jax.inference.options import Options

IMAGES = Inputs([pathlib.Path("a.jpg")], [])
VIDEO = Inputs([pathlib.Path("a.jpg")], [pathlib.Path("film.mp4")])
CAMERA = Inputs([], [], address="camera:0")


@pytest.mark.parametrize(
    ("chosen", "inputs", "message"),
    [
        (
            Options(whole_image=True, detector="cascade"),
            IMAGES,
            "--whole-image and --detector exclude each other",
        ),
        (Options(boxes="a.json", threshold=0.5), IMAGES, "--boxes and --threshold exclude each other"),
        (Options(explain=True), VIDEO, r"--explain is for images, and film\.mp4 is a video"),
        (Options(min_confidence=0.6), VIDEO, r"--min-confidence is for images, and film\.mp4 is a video"),
        (Options(whole_image=True), CAMERA, "--whole-image is for images, and camera:0 is a video"),
        (Options(format="coco"), VIDEO, r"--format is for images, and film\.mp4 is a video"),
        (Options(format="yolo"), IMAGES, "--format=yolo: expected labelme, cvat, coco"),
        (
            Options(format="cvat"),
            Inputs([], [], has_stdin=True),
            "--format needs image files, found an image from",
        ),
        (
            Options(format="cvat"),
            Inputs([pathlib.Path("a\n.jpg")], []),
            "characters that --format cannot write",
        ),
        (Options(smooth=True), IMAGES, "--smooth is for videos and cameras, found only images"),
        (
            Options(show=8000),
            Inputs([], [], has_stdin=True),
            "--show is for videos and cameras, found only images",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(chosen, inputs, message):
    with pytest.raises(ValueError, match=message):
        options.check(chosen, inputs)


@pytest.mark.parametrize(
    ("chosen", "inputs"),
    [
        (Options(detector="mtcnn", threshold=0.5, largest_first=True), IMAGES),
        (Options(smooth=True, show=0), VIDEO),
        (Options(smooth=True, show=8000, looks=2, mirror=True), CAMERA),
        (Options(boxes="a.json", explain=True), Inputs([], [], has_stdin=True)),
    ],
)
def test_options_that_fit_are_accepted(chosen, inputs):
    options.check(chosen, inputs)


def test_looks_are_one_or_two():
    with pytest.raises(UserError, match="--looks=3: expected 1 or 2"):
        options.check(options.Options(looks=3), Inputs([pathlib.Path("a.jpg")], []))


def test_the_order_of_faces_is_for_detected_faces_of_images():
    with pytest.raises(UserError, match="--whole-image and --largest-first exclude each other"):
        options.check(
            options.Options(whole_image=True, largest_first=True), Inputs([pathlib.Path("a.jpg")], [])
        )
    with pytest.raises(UserError, match=r"--largest-first is for images, and a\.mp4 is a video"):
        options.check(options.Options(largest_first=True), Inputs([], [pathlib.Path("a.mp4")]))
