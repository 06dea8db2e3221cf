"""Built datasets of a folder with five points on blank images."""

import pathlib

import cv2
import numpy as np

from tfds_builders import build
from tfds_builders.landmark_folder import example_points


def build_five(root: pathlib.Path, **scheme: object) -> pathlib.Path:
    """Builds a landmark_folder of five points in `root`: 5 training and 3 test faces, with different grey values.

    Args:
      root: empty folder.
      **scheme: further fields of the scheme.

    Returns:
      The folder of the built dataset.
    """
    for number, picture in enumerate(example_points.PICTURES):
        path = root / "raw" / picture
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((128, 128, 3), 20 * number, np.uint8))
    example_points.write_pts(root / "raw")
    options = {"scheme": example_points.FIVE | scheme, "test": 0.3}
    example_points.write(root / "raw", "landmarks.json", options)
    build.build("landmark_folder", root / "raw", root / "built")
    return root / "built"
