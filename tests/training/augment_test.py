"""The augmentation of training images on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from dsat_jax import preprocess
from dsat_jax.config import default
from dsat_jax.training import augment

KEY = jax.random.key(3)


def faces(count: int = 64, size: int = 16) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(0, 1, (count, size, size, 3)), jnp.float32)


def changed(before: jax.Array, after: jax.Array) -> np.ndarray:
    """Returns whether each image differs, bool [batch]."""
    return np.asarray(jnp.abs(before - after).max(axis=(1, 2, 3)) > 1e-6)


def test_unit_range_and_normalisation_by_hand():
    images = jnp.array([[[[0, 51, 255]]]], jnp.uint8)
    unit = preprocess.to_unit_range(images)
    np.testing.assert_allclose(unit, [[[[0.0, 0.2, 1.0]]]], rtol=1e-6)
    np.testing.assert_allclose(
        preprocess.normalise(unit, (0.0, 0.1, 0.5), (1.0, 0.5, 0.25)), [[[[0.0, 0.2, 2.0]]]], rtol=1e-6
    )


def test_gain_is_one_factor_per_channel_and_image():
    images = 0.5 * faces()
    factor = np.asarray(augment.colour_gain(KEY, images, 0.7, 1.3) / images)
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1, :1], factor.shape), rtol=1e-4)
    assert 0.7 <= factor.min() < 0.75 < 1.25 < factor.max() <= 1.3001
    assert augment.colour_gain(KEY, faces(), 1.2, 1.3).max() <= 1.0


def test_grey_removes_the_colour_of_the_chosen_share():
    images = faces()
    after = augment.grey(KEY, images, 0.5)
    chosen = changed(images, after)
    assert 0.3 < chosen.mean() < 0.7
    grey = np.asarray(after)[chosen]
    np.testing.assert_allclose(grey[..., 0], grey[..., 2])
    np.testing.assert_allclose(grey[..., 0], np.asarray(images)[chosen] @ [0.299, 0.587, 0.114], rtol=1e-5)


def test_low_resolution_blurs_the_chosen_share_and_leaves_flat_images():
    images = faces()
    after = augment.low_resolution(KEY, images, 0.5, 0.75)
    chosen = changed(images, after)
    assert 0.3 < chosen.mean() < 0.7
    assert np.var(np.asarray(after)[chosen]) < 0.8 * np.var(np.asarray(images)[chosen])
    flat = jnp.full((4, 16, 16, 3), 0.3)
    np.testing.assert_allclose(augment.low_resolution(KEY, flat, 1.0, 0.75), flat, rtol=1e-5)


def test_occlusion_is_one_rectangle_of_one_colour():
    images = faces()
    after = np.asarray(augment.occlude(KEY, images, 0.5, 0.5))
    chosen = changed(images, after)
    assert 0.3 < chosen.mean() < 0.7
    for image, covered in zip(after[chosen], (after != images).any(axis=-1)[chosen], strict=True):
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert covered[box].all()
        assert len(rows) <= 9
        assert len(columns) <= 9
        assert np.ptp(image[box].reshape(-1, 3), axis=0).max() < 1e-6


def original_chain(key: jax.Array, images: jax.Array) -> jax.Array:
    """Applies the augmentations of version 0.2.0 with its keys and the default probabilities."""
    low_key, gain_key, grey_key, occlude_key = jax.random.split(key, 4)
    images = augment.low_resolution(low_key, images, 0.2, 0.75)
    images = augment.colour_gain(gain_key, images, 0.7, 1.3)
    images = augment.grey(grey_key, images, 0.1)
    return augment.occlude(occlude_key, images, 0.3, 0.5)


def test_the_default_step_is_that_of_version_0_2_0():
    config = default().augment
    now = jax.make_jaxpr(lambda key, images: augment.augment(key, images, config))(KEY, faces())
    assert str(now) == str(jax.make_jaxpr(original_chain)(KEY, faces()))


def test_further_augmentations_leave_the_random_streams_of_the_others():
    config, images = default().augment, faces(32, 48)
    names = ("low_light", "over_exposure", "blur", "motion_blur", "noise", "small_faces", "jpeg")
    config.update(dict.fromkeys(names, 1e-9))  # part of the step, but no image is drawn
    np.testing.assert_array_equal(augment.augment(KEY, images, config), original_chain(KEY, images))
    for name in names:
        config.update({**dict.fromkeys(names, 0.0), name: 1.0})
        after = augment.augment(KEY, images, config)
        assert changed(original_chain(KEY, images), after).mean() > 0.9
        assert 0 <= after.min() <= after.max() <= 1


def test_every_augmentation_has_a_key_of_its_own():
    """Threefry's `fold_in(key, i)` is `split(key, n)[i]`; equal keys would couple two augmentations."""
    split = jax.random.key_data(jax.random.split(KEY, 4)).tolist()
    first = augment._FIRST_QUALITY_KEY
    folded = [
        jax.random.key_data(jax.random.fold_in(KEY, first + i)).tolist() for i in range(len(augment._QUALITY))
    ]
    assert len({tuple(data) for data in split + folded}) == 4 + len(augment._QUALITY)


def test_the_chain_stays_in_range_and_is_a_function_of_its_key():
    config, images = default().augment, faces()
    chain = jax.jit(lambda key: augment.augment(key, images, config))
    first = chain(KEY)
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, chain(KEY))
    assert changed(first, chain(jax.random.key(4))).all()
