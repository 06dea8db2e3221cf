"""Light, blur, noise and few pixels: augmentation of image quality on the device."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax.training import augment_quality as quality

KEY = jax.random.key(5)
FUNCTIONS = {
    "low_light": (quality.low_light, (1.0, 4.0)),
    "exposure": (quality.exposure, (0.5, 1.5)),
    "blur": (quality.blur, (0.02, 0.1)),
    "motion_blur": (quality.motion_blur, (0.1, 0.3)),
    "noise": (quality.noise, (0.01, 0.08)),
    "small_faces": (quality.small_faces, (5, 20)),
    "jpeg": (quality.jpeg, (10, 60)),
}


def noise_images(count: int = 32, size: int = 24) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).uniform(0, 1, (count, size, size, 3)), jnp.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_share_of_the_images_changes_each_by_its_own_strength(name):
    function, interval = FUNCTIONS[name]
    # The same image many times: two results differ only by the strength.
    images = jnp.tile(noise_images(1), (64, 1, 1, 1))
    after = np.asarray(jax.jit(lambda key, images: function(key, images, 0.5, interval))(KEY, images))
    untouched = (after == np.asarray(images)).all(axis=(1, 2, 3))
    assert 0.3 < untouched.mean() < 0.7
    amounts = np.abs(after - np.asarray(images)).mean(axis=(1, 2, 3))[~untouched]
    assert len(np.unique(amounts.round(6))) > (4 if name == "small_faces" else 12)
    assert amounts.max() > 1.15 * amounts.min()
    assert 0 <= after.min() <= after.max() <= 1


@pytest.mark.parametrize("name", ["blur", "motion_blur", "small_faces"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_an_image_of_one_colour_stays(name, value):
    function, interval = FUNCTIONS[name]
    images = jnp.full((8, 24, 24, 3), value)
    np.testing.assert_allclose(function(KEY, images, 1.0, interval), images, atol=2e-6)


def test_over_exposure_by_hand():
    """2.2 stops double a value of a display with gamma 2.2."""
    images = jnp.array([0.1, 0.25, 0.75])[:, None, None, None] * jnp.ones((3, 1, 1, 3))
    after = quality.exposure(KEY, images, 1.0, (2.2, 2.2))
    np.testing.assert_allclose(after[:, 0, 0, 0], [0.2, 0.5, 1.0], rtol=1e-5)


def test_low_light_by_hand():
    """4.4 stops: half of the value at white (gain 1/2), half of that at mid-grey (gamma 2)."""
    images = jnp.array([0.25, 0.5, 1.0])[:, None, None, None] * jnp.ones((3, 1, 1, 3))
    after = quality.low_light(KEY, images, 1.0, (4.4, 4.4))
    np.testing.assert_allclose(after[:, 0, 0, 0], [0.03125, 0.125, 0.5], rtol=1e-5)


@pytest.mark.parametrize(("value", "deviation"), [(0.25, 0.04 * 0.4**0.5), (0.5, 0.04 * 0.6**0.5)])
def test_the_variance_of_noise_grows_with_the_signal(value, deviation):
    """The variance is 0.04 ** 2 at white, a fifth of it at black, and linear between them."""
    after = np.asarray(quality.noise(KEY, jnp.full((8, 64, 64, 3), value), 1.0, (0.04, 0.04)))
    assert after.std() == pytest.approx(deviation, rel=0.02)
    assert after.mean() == pytest.approx(value, abs=5e-4)
    assert abs(np.corrcoef(after[..., 0].ravel(), after[..., 1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
def test_blur_is_that_of_opencv_and_keeps_the_mean(sigma):
    images = noise_images(3)
    after = quality.blur(KEY, images, 1.0, (sigma / 24, sigma / 24))
    for image, blurred in zip(np.asarray(images), np.asarray(after), strict=True):
        expected = cv2.GaussianBlur(image, (43, 43), sigma, borderType=cv2.BORDER_REFLECT)
        np.testing.assert_allclose(blurred, expected, atol=2e-5)
    np.testing.assert_allclose(after.mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=1e-5)


def test_motion_spreads_a_dot_along_a_line_of_random_direction():
    length, size = 12.0, 41
    dots = jnp.zeros((128, size, size, 3)).at[:, 20, 20].set(1.0)
    after = np.asarray(quality.motion_blur(KEY, dots, 1.0, (length / size, length / size)))[..., 0]
    np.testing.assert_allclose(after.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    places = np.mgrid[:size, :size].reshape(2, -1) - 20.0
    angles = []
    for dot in after:
        variance = (dot.ravel() * places) @ places.T
        (across, along), axes = np.linalg.eigh(variance)
        assert along == pytest.approx(length**2 / 12, rel=0.15)  # uniform on the line
        assert across < 0.2
        angles.append(np.arctan2(*axes[:, 1]) % np.pi)
    assert np.histogram(angles, 6, (0, np.pi))[0].min() > 8


@pytest.mark.parametrize("side", [7, 12, 24])
def test_small_faces_are_resized_as_by_jax(side):
    images = noise_images(4)
    small = jax.image.resize(images, (4, side, side, 3), "linear", antialias=True)
    expected = jax.image.resize(small, images.shape, "linear")
    after = quality.small_faces(KEY, images, 1.0, (side, side))
    np.testing.assert_allclose(after, expected, atol=2e-5)


def test_a_side_above_that_of_the_image_changes_nothing():
    images = noise_images(4)
    np.testing.assert_allclose(quality.small_faces(KEY, images, 1.0, (24, 4096)), images, atol=1e-6)
