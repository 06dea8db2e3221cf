"""The refinement pass: how far a crop moves, and what two looks make together."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.inference import refinement
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import read_scheme

DOTS = read_scheme(
    {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}, "here"
)
IMAGE = np.zeros((50, 60, 3), np.uint8)


def crop(box, degrees: float = 0.0) -> FaceCrop:
    return FaceCrop(IMAGE, np.asarray(box, float), np.deg2rad(degrees))


@pytest.mark.parametrize(
    ("first", "second", "change"),
    [
        (crop([0, 0, 40, 40]), crop([0, 0, 40, 40]), 0.0),
        (crop([3, 4, 43, 44]), crop([0, 0, 40, 40]), 5 / 40),  # every corner is 5 pixels away
        (crop([-4, -4, 44, 44]), crop([0, 0, 40, 40]), np.hypot(4, 4) / 40),
        (
            crop([0, 0, 40, 40], 60.0),
            crop([0, 0, 40, 40]),
            np.hypot(0.5, 0.5),
        ),  # a chord of 60 degrees is a radius
        (crop([0, 0, 40, 40], 350.0), crop([0, 0, 40, 40], -10.0), 0.0),
        (
            crop([0, 5, 40, 35]),
            crop([0, 0, 40, 40]),
            np.hypot(1, 1) * (40 - 2500 / 70) / 2 / 40,
        ),  # side 2500 / 70
    ],
)
def test_the_change_is_that_of_the_farthest_corner(first, second, change):
    assert refinement.change(first, second) == pytest.approx(change, abs=1e-4)


def test_a_crop_that_hardly_moves_needs_no_second_look():
    before = crop([0, 0, 40, 40])
    assert not refinement.is_needed(before, crop([2, 1, 42, 41]))
    assert refinement.is_needed(before, crop([2, 2, 42, 42]))


def test_looks_that_agree_are_averaged_and_others_are_not():
    """The size of the second box is 40 pixels: they agree if the mean distance is below 0.4 pixels."""
    first = Face(np.array([1.0, 2.0, 50.0, 60.0]), np.full((3, 2), 20.0), 0.3, None, DOTS, 0.4, 0.9)
    moved = np.array([[0.3, 0.4], [0.3, 0.4], [0.0, 0.0]])  # 0.5, 0.5 and 0 pixels
    second = dataclasses.replace(
        first, box=np.array([0.0, 0.0, 20.0, 80.0]), landmarks=20 + moved, confidence=0.5, roll=0.1
    )
    near = refinement.merged(first, second)
    np.testing.assert_allclose(near.landmarks, 20 + moved / 2)
    np.testing.assert_array_equal(near.box, first.box)
    assert (near.roll, near.confidence, near.score) == (0.4, 0.5, 0.9)
    far = dataclasses.replace(second, landmarks=20 + 1.3 * moved)
    np.testing.assert_array_equal(refinement.merged(first, far).landmarks, far.landmarks)
