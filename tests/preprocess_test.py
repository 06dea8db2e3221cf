"""Normalisation of images, by hand."""

import jax.numpy as jnp
import numpy as np

from dsat_jax import preprocess


def test_unit_range_maps_0_to_0_and_255_to_1():
    images = preprocess.to_unit_range(jnp.array([[[[0, 51, 255]]]], jnp.uint8))
    assert images.dtype == jnp.float32
    np.testing.assert_allclose(images, [[[[0.0, 0.2, 1.0]]]], rtol=1e-6)


def test_each_channel_has_its_mean_and_standard_deviation():
    images = jnp.array([[[[0.5, 0.5, 0.5], [0.0, 1.0, 0.2]]]])
    normalised = preprocess.normalise(images, mean=(0.5, 0.0, 0.1), std=(1.0, 0.5, 0.1))
    np.testing.assert_allclose(normalised, [[[[0.0, 1.0, 4.0], [-0.5, 2.0, 1.0]]]], rtol=1e-5)
