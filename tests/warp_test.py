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


def test_the_crop_of_a_part_is_that_of_the_whole_image():
    """Only the part of a large image that the crop shows is averaged; its borders leave no trace in the crop."""
    y, x = np.mgrid[:1000, :1500]
    pattern = 128 + 60 * np.sin(x / 60) + 60 * np.cos(y / 45)
    image = np.repeat(pattern.astype(np.uint8)[..., None], 3, axis=2)
    for box, roll in (
        ([400, 300, 800, 700], 0.0),
        ([-60, 500, 500, 1100], 0.3),
        ([1000, 100, 1400, 480], 2.0),
    ):
        matrix = geometry.crop_matrix(np.array(box, float), 64, 0.125, roll)
        crop = warp(image, matrix, 64)[..., 0].astype(float)
        columns, rows = np.meshgrid(np.arange(64), np.arange(64))
        points = np.stack([columns, rows], axis=-1).reshape(-1, 2)  # [64, 64, 2] -> [64 * 64, 2]
        at = geometry.transform_points(geometry.invert(matrix), points.astype(float))
        inside = ((at >= 0) & (at <= [1499, 999])).all(axis=-1).reshape(64, 64)
        expected = 128 + 60 * np.sin(at[:, 0] / 60) + 60 * np.cos(at[:, 1] / 45)
        error = np.abs(crop - expected.reshape(64, 64))[inside]
        assert np.percentile(error, 95) < 4  # the average over up to 8 x 8 pixels of the pattern
        assert not crop[
            ~np.pad(inside, 2, mode="edge")[2:-2, 2:-2] & (at < -30).any(axis=-1).reshape(64, 64)
        ].any()


def test_a_crop_beside_the_image_is_black():
    image = np.full((500, 500, 3), 200, np.uint8)
    assert not warp(image, geometry.crop_matrix(np.array([3000.0, 0.0, 3400.0, 400.0]), 64, 0.1), 64).any()


def test_images_too_long_for_opencv_are_sampled_at_their_part():
    image = np.zeros((20, 40_000, 3), np.uint8)
    image[5, 35_000] = 250
    crop = warp(image, np.array([[1.0, 0.0, -34_997.0], [0.0, 1.0, 0.0]]), 8)
    expected = np.zeros((8, 8))
    expected[5, 3] = 250
    np.testing.assert_array_equal(crop[..., 0], expected)
