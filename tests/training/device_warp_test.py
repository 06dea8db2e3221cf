"""Crops on the device against those of OpenCV on the host, for the same matrices."""

import math
import pathlib

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import geometry, warp as host_warp
from dsat_jax.training import device_warp

ASTRONAUT = pathlib.Path(__file__).parents[2] / "docs" / "astronaut.jpg"


def device_crops(image, matrices, size, averaging=None):
    """Returns the crops of one image for matrices [crops, 2, 3]."""
    words = device_warp.pack(jnp.asarray(image.transpose(2, 0, 1)))
    limits = jnp.array(image.shape[1::-1], jnp.int32)
    with jax.enable_x64(True):
        warp = jax.jit(jax.vmap(lambda matrix: device_warp.warp(words, limits, matrix, size, averaging)))
        return np.asarray(warp(jnp.asarray(matrices))).astype(int)


def random_matrices(rng, count, size, limits, sides, rotation=30.0):
    """Returns transforms of jittered crops of boxes with sides from a range of pixels, anywhere in the image."""
    matrices = []
    for _ in range(count):
        centre, half = rng.uniform(0, limits), rng.uniform(*sides) / 2
        jitter = geometry.jitter_matrix(
            size,
            angle=rng.uniform(-rotation, rotation),
            scale=rng.uniform(0.9, 1.2),
            shift=rng.uniform(-0.1, 0.1, 2) * size,
            mirror=rng.random() < 0.5,
        )
        crop = geometry.crop_matrix(np.concatenate([centre - half, centre + half]), size, 0.125)
        matrices.append(geometry.compose(jitter, crop))
    return np.stack(matrices)


def scales(matrices):
    return np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])


def test_without_averaging_noise_is_sampled_as_by_opencv():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    matrices = random_matrices(rng, 40, 48, [90, 70], (12, 60))
    assert scales(matrices).min() >= host_warp.AVERAGED_BELOW
    expected = [host_warp.warp(noise, matrix, 48) for matrix in matrices]
    np.testing.assert_array_equal(device_crops(noise, matrices, 48), expected)


def test_a_face_of_a_photograph_is_averaged_as_by_opencv():
    """Up to ten pixels of the photograph for each one of the crop, at the border as well; both branches of the warp."""
    rng = np.random.default_rng(1)
    photograph = cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)
    matrices = random_matrices(rng, 60, 64, photograph.shape[1::-1], (40, 500))
    lowest = scales(matrices).min()
    assert lowest < 0.15
    assert scales(matrices).max() > host_warp.AVERAGED_BELOW
    averaging = device_warp.make_averaging(64, 30.0, lowest)
    expected = np.stack([host_warp.warp(photograph, matrix, 64) for matrix in matrices])
    difference = np.abs(device_crops(photograph, matrices, 64, averaging) - expected)
    assert difference.max() <= 1  # averages of exactly half a grey level may be rounded to either side
    assert (difference > 0).mean() < 2e-3
    assert expected.std() > 40


def test_no_averaging_is_prepared_where_no_crop_needs_it():
    assert device_warp.make_averaging(64, 30.0, 0.5) is None
    assert device_warp.make_averaging(64, 30.0, 0.49) is not None


@pytest.mark.parametrize("rotation", [0.0, 20.0, 180.0])
def test_reduced_parts_stay_within_the_limits(rotation):
    """Those of the host, for images of any size around the crop, down to a single line."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        width, height = rng.integers(1, 200, 2)
        matrices = random_matrices(rng, 5, 16, [width, height], (20, 300), rotation)
        averaging = device_warp.make_averaging(16, rotation, scales(matrices).min())
        for matrix in matrices:
            if scales(matrix[None])[0] >= host_warp.AVERAGED_BELOW:
                continue
            reduced, to_crop = host_warp._part(np.zeros((height, width, 3), np.uint8), matrix, 16)
            assert max(reduced.shape[:2]) <= averaging.side
            # Reduced pixels to pixels of the image: the factors of both axes, without rotation.
            factors = geometry.compose(geometry.invert(matrix), to_crop)
            assert math.ceil(max(factors[0, 0], factors[1, 1]) - 1e-9) + 1 <= averaging.taps


def test_an_image_without_pixels_is_black():
    words, limits = jnp.full((8, 8), 0xFFFFFF, jnp.uint32), jnp.zeros(2, jnp.int32)
    averaging = device_warp.make_averaging(4, 0.0, 0.25)
    with jax.enable_x64(True):
        warp = jax.jit(jax.vmap(lambda matrix: device_warp.warp(words, limits, matrix, 4, averaging)))
        crops = warp(jnp.stack([geometry.resize_matrix(scale) for scale in (1.0, 0.25)]))
    assert not np.asarray(crops).any()
