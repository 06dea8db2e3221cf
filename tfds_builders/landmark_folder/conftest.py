"""A folder of drawn images that a test may fill and damage."""

import pathlib
import shutil

import cv2
import pytest

from tfds_builders.landmark_folder.example_points import FIVE, PICTURES, write
from tfds_builders.synthetic_faces import drawing


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of images without points."""
    root = tmp_path_factory.mktemp("pictures")
    for index, picture in enumerate(PICTURES):
        (root / picture).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(root / picture), drawing.draw_face(7, 0, index).image[..., ::-1])
    return root


@pytest.fixture
def root(pictures: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the folder, with a landmarks.json that describes the five points."""
    copy = pathlib.Path(shutil.copytree(pictures, tmp_path / "mine"))
    write(copy, "landmarks.json", {"scheme": FIVE, "test": 0.3})
    return copy
