"""Conversion of uint8 images to normalised float32 inputs, inside the jitted functions."""

import jax
import jax.numpy as jnp


def to_unit_range(images: jax.Array) -> jax.Array:
    """Converts uint8 images [batch, height, width, 3] to float32 in [0, 1]."""
    return images.astype(jnp.float32) / 255.0


def normalise(images: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """Returns (images - mean) / std per channel for float32 images [batch, height, width, 3] in [0, 1]."""
    return (images - jnp.array(mean, jnp.float32)) / jnp.array(std, jnp.float32)
