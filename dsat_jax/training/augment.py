"""Augmentation of pixels on the device, inside the jitted training step.

Colour, resolution and occlusion are here, light, blur, noise and compression in `augment_quality`. The geometric
augmentation (rotation, scale, shift, mirror) runs on the host (`data.batches`), or on the device for resident records
(`device_crops`). Objects in front of the face are drawn on the host (`data.covers`).
"""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from dsat_jax.training import augment_quality as quality

# Augmentations of image quality in the order of a camera: light, optics, sensor, reduction, file. Each entry has the
# probability's field, the field of the strength's interval, and the function. The position is part of the random
# stream: new entries belong at the end, unless all runs may change.
_QUALITY = (
    ("low_light", "low_light_stops", quality.low_light),
    ("over_exposure", "over_exposure_stops", quality.exposure),
    ("blur", "blur_sigma", quality.blur),
    ("motion_blur", "motion_blur_length", quality.motion_blur),
    ("noise", "noise_sigma", quality.noise),
    ("small_faces", "small_faces_sides", quality.small_faces),
    ("jpeg", "jpeg_quality", quality.jpeg),
)
_FIRST_QUALITY_KEY = 4  # `fold_in` with 0 to 3 would repeat the keys of the other augmentations


def colour_gain(key: jax.Array, images: jax.Array, low: float, high: float) -> jax.Array:
    """Multiplies each colour channel of each image by a factor from U(low, high) and clips to [0, 1]."""
    gain = jax.random.uniform(key, (images.shape[0], 1, 1, 3), minval=low, maxval=high)
    return jnp.clip(images * gain, 0.0, 1.0)


def grey(key: jax.Array, images: jax.Array, probability: float) -> jax.Array:
    """Converts a share of the images to grey (ITU-R BT.601 luma)."""
    chosen = jax.random.bernoulli(key, probability, (images.shape[0], 1, 1, 1))
    luma = images @ jnp.array([[0.299], [0.587], [0.114]], jnp.float32)
    return jnp.where(chosen, luma, images)


def low_resolution(key: jax.Array, images: jax.Array, probability: float, share: float) -> jax.Array:
    """Scales some images down to `share` of their size and back up; the released code uses 96 of 128 pixels."""
    batch, height, width, channels = images.shape
    small = (batch, round(height * share), round(width * share), channels)
    blurred = jax.image.resize(
        jax.image.resize(images, small, "linear", antialias=False), images.shape, "linear"
    )
    chosen = jax.random.bernoulli(key, probability, (batch, 1, 1, 1))
    return jnp.where(chosen, blurred, images)


def occlude(key: jax.Array, images: jax.Array, probability: float, largest: float) -> jax.Array:
    """Covers a rectangle with one random colour in a share of the images.

    Args:
      key: random key.
      images: [batch, height, width, 3] in [0, 1].
      probability: share of the images that are covered.
      largest: upper limit of the rectangle's sides, which are drawn from U(0.1, largest) as shares of the image's side.

    Returns:
      [batch, height, width, 3].
    """
    batch, height, width, _ = images.shape
    chosen_key, centre_key, side_key, colour_key = jax.random.split(key, 4)
    chosen = jax.random.bernoulli(chosen_key, probability, (batch, 1, 1, 1))
    centre = jax.random.uniform(centre_key, (batch, 2, 1, 1, 1))
    half = jax.random.uniform(side_key, (batch, 2, 1, 1, 1), minval=0.1, maxval=largest) / 2
    colour = jax.random.uniform(colour_key, (batch, 1, 1, 3))
    rows = ((jnp.arange(height) + 0.5) / height)[:, None, None]  # [height, 1, 1]
    columns = ((jnp.arange(width) + 0.5) / width)[:, None]  # [width, 1]
    covered = (jnp.abs(rows - centre[:, 0]) < half[:, 0]) & (jnp.abs(columns - centre[:, 1]) < half[:, 1])
    return jnp.where(chosen & covered, colour, images)


def augment(key: jax.Array, images: jax.Array, config: ConfigDict) -> jax.Array:
    """Returns the images of a training batch after all augmentations.

    Args:
      key: random key of the step.
      images: float32 [batch, height, width, 3] in [0, 1].
      config: `config.augment`; an augmentation with probability 0 is not part of the compiled step.

    Returns:
      float32 [batch, height, width, 3] in [0, 1].
    """
    low_key, gain_key, grey_key, occlude_key = jax.random.split(key, 4)
    if config.low_resolution > 0:
        images = low_resolution(low_key, images, config.low_resolution, config.low_resolution_share)
    images = colour_gain(gain_key, images, *config.gain)
    if config.grey > 0:
        images = grey(grey_key, images, config.grey)
    if config.occlusion > 0:
        images = occlude(occlude_key, images, config.occlusion, config.occlusion_largest)
    for number, (probability, interval, function) in enumerate(_QUALITY, _FIRST_QUALITY_KEY):
        if config[probability] > 0:
            images = function(jax.random.fold_in(key, number), images, config[probability], config[interval])
    return images
