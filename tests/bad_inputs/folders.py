"""A folder with an image and its points, as `landmark_folder` reads it."""

import pathlib

from bad_inputs.corpus import encode, picture, write

from tfds_builders.landmark_folder.example_points import FIVE

OPTIONS = {"scheme": FIVE, "test": 0}
POINTS = [[20.0, 20.0], [60.0, 20.0], [40.0, 40.5], [20.0, 60.0], [60.0, 60.25]]
LINES = "".join(f"{x} {y}\n" for x, y in POINTS)


def prepare(root: pathlib.Path) -> None:
    """Writes the image a.jpg and the options, without points."""
    write(root / "raw" / "a.jpg", encode(picture(), "JPEG"))
    write(root / "raw" / "landmarks.json", OPTIONS)


def prepare_pts(root: pathlib.Path) -> None:
    """Writes the folder with points in a .pts file."""
    prepare(root)
    write(root / "raw" / "a.pts", f"version: 1\nn_points: 5\n{{\n{LINES}}}\n")
