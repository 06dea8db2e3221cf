"""Augmentation of image quality on the device: light, blur, noise, few pixels, compression.

Each function draws a share of the images and, for each image of the batch, its own strength.
"""

import math

import jax
import jax.numpy as jnp

from dsat_jax.training import augment_jpeg

Interval = tuple[float, float]
_DISPLAY_GAMMA = 2.2  # pixel values are about the light to the power of 1 / 2.2
_READ_NOISE = 0.2  # share of the noise's variance at white that is independent of the signal


def exposure(key: jax.Array, images: jax.Array, probability: float, stops: Interval) -> jax.Array:
    """Multiplies the light of a share of the images by a power of two and clips to [0, 1].

    Args:
      key: random key.
      images: [batch, height, width, 3] in [0, 1].
      probability: share of the images that are changed.
      stops: interval of the exponent; negative numbers darken, positive ones over-expose.

    Returns:
      [batch, height, width, 3] in [0, 1].
    """
    chosen, drawn = _draw(key, images, probability, stops)
    gain = jnp.where(chosen, 2 ** (drawn / _DISPLAY_GAMMA), 1.0)
    return jnp.clip(images * gain, 0.0, 1.0)


def low_light(key: jax.Array, images: jax.Array, probability: float, stops: Interval) -> jax.Array:
    """Darkens a share of the images by `stops` of exposure, half of it by a gain and half of it by a gamma curve.

    The gamma curve keeps white and maps mid-grey to the same value as the gain, so that shadows lose their detail.
    Arguments and result as in `exposure`; here positive numbers darken.
    """
    chosen, drawn = _draw(key, images, probability, stops)
    gain = 2 ** (-drawn / 2 / _DISPLAY_GAMMA)
    gamma = 1 + drawn / 2 / _DISPLAY_GAMMA  # 0.5 ** gamma is 0.5 * gain
    return jnp.where(chosen, gain * images**gamma, images)


def noise(key: jax.Array, images: jax.Array, probability: float, sigma: Interval) -> jax.Array:
    """Adds the noise of a camera to a share of the images and clips to [0, 1].

    The variance has a constant part (read-out) and a part proportional to the pixel value (shot noise).

    Args:
      key: random key.
      images: [batch, height, width, 3] in [0, 1].
      probability: share of the images that are changed.
      sigma: interval of the noise's standard deviation at white.

    Returns:
      [batch, height, width, 3] in [0, 1].
    """
    strength_key, pixel_key = jax.random.split(key)
    chosen, drawn = _draw(strength_key, images, probability, sigma)
    deviation = jnp.where(chosen, drawn, 0.0) * jnp.sqrt(_READ_NOISE + (1 - _READ_NOISE) * images)
    return jnp.clip(images + deviation * jax.random.normal(pixel_key, images.shape), 0.0, 1.0)


def blur(key: jax.Array, images: jax.Array, probability: float, sigma: Interval) -> jax.Array:
    """Blurs a share of the images by a Gaussian; the image is mirrored at its edges.

    Args:
      key: random key.
      images: [batch, height, width, 3].
      probability: share of the images that are changed.
      sigma: interval of the Gaussian's standard deviation, as a share of the image's width.

    Returns:
      [batch, height, width, 3].
    """
    height, width = images.shape[1:3]
    chosen, drawn = _draw(key, images, probability, (sigma[0] * width, sigma[1] * width))
    drawn = drawn[:, 0, 0]  # [batch, 1]
    blurred = _product(_gaussian(drawn, height), images, _gaussian(drawn, width))
    return jnp.where(chosen, blurred, images)


def _gaussian(sigma: jax.Array, side: int) -> jax.Array:
    """Returns the matrices [batch, side, side] that blur one axis by Gaussians of some widths in pixels [batch, 1]."""
    places = jnp.arange(side)
    distance, around = places[:, None] - places, places[:, None] + places + 1
    offsets = jnp.stack([distance, around, around - 2 * side])  # the image and its mirror images
    weights = jnp.exp(-0.5 * (offsets / jnp.maximum(sigma, 1e-3)[..., None, None]) ** 2).sum(axis=1)
    return weights / weights.sum(axis=-1, keepdims=True)


def motion_blur(key: jax.Array, images: jax.Array, probability: float, length: Interval) -> jax.Array:
    """Blurs a share of the images along a straight line of random direction; the image is mirrored at its edges.

    Args:
      key: random key.
      images: [batch, height, width, 3].
      probability: share of the images that are changed.
      length: interval of the line's length, as a share of the image's width.

    Returns:
      [batch, height, width, 3], the mean over the pixels nearest to equidistant positions on the line.
    """
    height, width = images.shape[1:3]
    strength_key, angle_key = jax.random.split(key)
    chosen, drawn = _draw(strength_key, images, probability, (length[0] * width, length[1] * width))
    angle = jax.random.uniform(angle_key, (len(images),), maxval=math.pi)
    reach = math.ceil(length[1] * width / 2)
    padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "symmetric")
    step = drawn[:, 0, 0] * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)  # [batch, (row, column)]
    shifted = jax.vmap(lambda image, start: jax.lax.dynamic_slice(image, start, (height, width, 3)))
    count = 4 * reach + 1  # about two positions for each pixel

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return total + shifted(padded, _places(reach + step * ((i + 0.5) / count - 0.5)))

    # A loop: written out, XLA would fuse the sum into the next augmentation and compute it several times.
    total = jax.lax.fori_loop(0, count, add, jnp.zeros_like(images))
    return jnp.where(chosen, total / count, images)


def _places(starts: jax.Array) -> jax.Array:
    """Returns the corners [batch, 3] of slices that start at the pixels nearest to `starts` [batch, 2]."""
    return jnp.pad(jnp.round(starts).astype(jnp.int32), ((0, 0), (0, 1)))


def small_faces(key: jax.Array, images: jax.Array, probability: float, sides: tuple[int, int]) -> jax.Array:
    """Scales a share of the images down, with antialiasing, and up again by linear interpolation.

    Args:
      key: random key.
      images: [batch, size, size, 3].
      probability: share of the images that are changed.
      sides: interval of the reduced image's side in pixels, both ends included; a side above `size` counts as `size`.

    Returns:
      [batch, size, size, 3].
    """
    size = images.shape[1]
    chosen_key, side_key = jax.random.split(key)
    chosen = jax.random.bernoulli(chosen_key, probability, (len(images), 1, 1, 1))
    low, high = (min(side, size) for side in sides)
    side = jax.random.randint(side_key, (len(images), 1, 1), low, high + 1)
    down, up = _reduction(side, size, high), _expansion(side, size, high)
    return jnp.where(chosen, _product(up, _product(down, images, down), up), images)


def _reduction(side: jax.Array, size: int, largest: int) -> jax.Array:
    """Returns matrices [batch, largest, size] that scale an axis from `size` to some sides [batch, 1, 1] of pixels.

    The weights are a triangle as wide as two reduced pixels, as in `jax.image.resize` with antialiasing; rows beyond
    the side are zero.
    """
    scale = size / side
    rows = jnp.arange(largest)[:, None]
    centres = (rows + 0.5) * scale - 0.5
    weights = jnp.maximum(1 - jnp.abs(jnp.arange(size) - centres) / scale, 0.0)
    weights /= jnp.maximum(weights.sum(axis=-1, keepdims=True), 1e-6)
    return jnp.where(rows < side, weights, 0.0)


def _expansion(side: jax.Array, size: int, largest: int) -> jax.Array:
    """Returns matrices [batch, size, largest] that interpolate an axis of some sides [batch, 1, 1] at `size` pixels."""
    places = jnp.clip((jnp.arange(size)[:, None] + 0.5) * side / size - 0.5, 0, side - 1)
    return jnp.maximum(1 - jnp.abs(places - jnp.arange(largest)), 0.0)


def jpeg(key: jax.Array, images: jax.Array, probability: float, quality: tuple[int, int]) -> jax.Array:
    """Compresses a share of the images as JPEG of a quality from the interval, both ends included."""
    chosen_key, quality_key = jax.random.split(key)
    chosen = jax.random.bernoulli(chosen_key, probability, (len(images), 1, 1, 1))
    drawn = jax.random.randint(quality_key, (len(images),), quality[0], quality[1] + 1)
    return jnp.where(chosen, augment_jpeg.compress(images, drawn), images)


def _draw(
    key: jax.Array, images: jax.Array, probability: float, interval: Interval
) -> tuple[jax.Array, jax.Array]:
    """Returns whether each image is changed, and its strength from U(interval), both [batch, 1, 1, 1]."""
    chosen_key, strength_key = jax.random.split(key)
    shape = (len(images), 1, 1, 1)
    chosen = jax.random.bernoulli(chosen_key, probability, shape)
    return chosen, jax.random.uniform(strength_key, shape, minval=interval[0], maxval=interval[1])


def _product(rows: jax.Array, images: jax.Array, columns: jax.Array) -> jax.Array:
    """Returns the images [batch, height, width, 3] after a matrix per image along each axis, in float32."""
    images = jnp.einsum("bij,bjkc->bikc", rows, images, precision="highest")
    return jnp.einsum("bij,bkjc->bkic", columns, images, precision="highest")
