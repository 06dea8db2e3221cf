"""Crops for PyTorch from a built dataset."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from examples import torch_dataloader

ROOT = pathlib.Path(__file__).parents[2]


def test_a_crop_has_the_face_in_its_middle_and_the_landmarks_on_it():
    """A white square of 40 pixels with its corners as landmarks, in a crop of half the size."""
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 100:140] = (255, 0, 255)
    corners = np.array([[100, 80], [139, 80], [139, 119], [100, 119]], np.float32)
    face = {
        "image": image,
        "landmarks": corners,
        "visibility": np.array([1, 2, 0, 1], np.uint8),
        "box": np.array([100.0, 80, 140, 120]),
    }
    cropped = torch_dataloader.crop(face, side=25)
    assert cropped["image"].shape == (3, 25, 25)
    assert cropped["image"].dtype == cropped["landmarks"].dtype == np.float32
    np.testing.assert_allclose(cropped["landmarks"], [[2, 2], [21.5, 2], [21.5, 21.5], [2, 21.5]], atol=1e-4)
    np.testing.assert_array_equal(cropped["known"], [True, True, False, True])
    assert cropped["image"][0, 4:20, 4:20].min() == 1
    assert cropped["image"][1].max() == 0


def test_crops_of_a_built_dataset_are_in_random_access(tiny_dataset):
    crops = torch_dataloader.Crops("synthetic_faces/tiny", "test", side=32, data_dir=str(tiny_dataset))
    assert len(crops) == 16
    assert crops[15]["landmarks"].shape == (98, 2)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_loader_of_pytorch_collates_them(tiny_dataset):
    options = ["--dataset=synthetic_faces/tiny", "--split=train", f"--data_dir={tiny_dataset}", "--workers=1"]
    command = [sys.executable, "examples/torch_dataloader.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "'image': (32, 3, 128, 128), 'landmarks': (32, 98, 2), 'known': (32, 98)" in done.stdout
