"""Crops, by hand: position of pixels, black borders, and averaging against aliasing."""

import numpy as np

from dsat_jax import geometry
from dsat_jax.warp import warp


def test_the_identity_keeps_the_pixels_and_fills_the_rest_with_black():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) + 100
    crop = warp(image, geometry.IDENTITY, 4)
    assert crop.shape == (4, 4, 3)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop[:2, :3], image)
    assert not crop[2:].any()
    assert not crop[:, 3:].any()


def test_a_shift_by_half_a_pixel_averages_two_pixels():
    image = np.zeros((4, 4, 3), np.uint8)
    image[1, 1] = 200
    crop = warp(image, np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 1.0]]), 4)  # (1, 1) goes to (1.5, 2)
    expected = np.zeros((4, 4))
    expected[2, 1:3] = 100
    np.testing.assert_array_equal(crop[..., 0], expected)


def test_a_shrunk_checkerboard_is_grey():
    """Bilinear sampling at a scale of 1/4 without averaging would read 2x2 of each 4x4 pixels."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[::4, ::4] = 160  # one of 16 pixels
    crop = warp(image, geometry.resize_matrix(0.25), 8)
    np.testing.assert_array_equal(crop, np.full((8, 8, 3), 10))


def test_a_shrunk_image_keeps_its_positions():
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:24, 40:48] = 255  # centre (43.5, 19.5)
    crop = warp(image, geometry.resize_matrix(0.25), 16)[..., 0].astype(float)
    y, x = np.mgrid[:16, :16]
    centre = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(centre, [44 / 4 - 0.5, 20 / 4 - 0.5], atol=1e-6)
