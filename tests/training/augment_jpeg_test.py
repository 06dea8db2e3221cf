"""JPEG compression on the device, compared with libjpeg."""

import pathlib

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax.training import augment_jpeg

ASTRONAUT = pathlib.Path(__file__).parents[2] / "docs" / "astronaut.jpg"
QUALITIES = (5, 10, 30, 50, 75, 95)


def compress(images: np.ndarray, qualities: list[int]) -> np.ndarray:
    """Compresses images uint8 [batch, height, width, 3]; returns pixel values from 0 to 255, float32."""
    unit = jnp.asarray(images, jnp.float32) / 255
    return 255 * np.asarray(augment_jpeg.compress(unit, jnp.array(qualities)))


@pytest.mark.parametrize("side", [96, 100])  # whole blocks of 16 pixels, and not
def test_it_is_close_to_libjpeg(side):
    """The mean difference is below one grey value. Rounding differs: libjpeg computes with whole numbers."""
    image = cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    images = np.stack([image] * len(QUALITIES))
    for quality, ours in zip(QUALITIES, compress(images, list(QUALITIES)), strict=True):
        _, file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
        assert np.abs(ours - theirs).mean() < 1.0
        assert np.abs(theirs - image).mean() > 2.0  # the compression itself is far larger


def test_the_error_falls_with_the_quality():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    grey = np.stack([image[..., :1].repeat(3, axis=-1)] * 4)
    errors = np.abs(compress(grey, [5, 25, 75, 100]) - grey).mean(axis=(1, 2, 3))
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.5


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_mid_grey_stays(quality):
    """Its coefficients are all zero."""
    grey = np.full((1, 24, 24, 3), 128, np.uint8)
    np.testing.assert_allclose(compress(grey, [quality]), grey, atol=1e-4)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 90)])
def test_an_image_of_one_colour_stays_up_to_rounding(colour):
    image = np.full((1, 40, 24, 3), colour, np.uint8)
    np.testing.assert_allclose(compress(image, [100]), image, atol=2.01)
    coarse = compress(image, [10])
    assert np.ptp(coarse, axis=(1, 2)).max() == 0  # another colour, but still only one
