"""The crops of `dsat_jax.warp` on the device: the same averaging, and OpenCV's fixed-point bilinear sampling.

`cv2.warpAffine` rounds the position of a pixel to 1/32 px and computes with integers. The same integers are computed
here, so that a crop equals that of the host up to the rounding of averaged pixels. The few numbers on which they depend
are float64 (`jax.enable_x64`); on a TPU, XLA computes these with pairs of float32 numbers.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dsat_jax import geometry, warp as host_warp

_BITS = 5  # of the fraction of a position in OpenCV, 1/32 px
_UNIT = 1024  # OpenCV adds the parts of a position in 1/1024 px before it rounds their sum


class _Sampling(NamedTuple):
    """The positions at which a crop samples an image.

    Attributes:
      along_x: int32 [2, size], the part of x and y that depends on the column of the crop, in 1/1024 px.
      along_y: int32 [2, size], the part that depends on its row.
      averaged: bool, whether the positions are those of the reduced part of the image.
      low: int32 [2], first x and y of the part.
      high: int32 [2], x and y behind the last ones.
      shrunk: int32 [2], width and height of the reduced part.
    """

    along_x: jax.Array
    along_y: jax.Array
    averaged: jax.Array
    low: jax.Array
    high: jax.Array
    shrunk: jax.Array


def pack(images: jax.Array) -> jax.Array:
    """Returns the pixels of uint8 [..., 3, height, width] as uint32 [..., height, width], so that one read gets all."""
    red, green, blue = (images[..., channel, :, :].astype(jnp.uint32) for channel in range(3))
    return red | green << 8 | blue << 16


class Averaging(NamedTuple):
    """Upper limits of the averaged parts of images, which fix the shapes of arrays.

    Attributes:
      side: longest side of an averaged part in reduced pixels.
      taps: largest number of image pixels, along an axis, that a reduced pixel overlaps.
    """

    side: int
    taps: int


def make_averaging(size: int, rotation: float, lowest_scale: float) -> Averaging | None:
    """Returns the limits for crops of a size; None if no crop needs averaging.

    Args:
      size: side of the crop in pixels.
      rotation: largest rotation in degrees.
      lowest_scale: lowest scale of a crop, input pixels for each pixel of the image.
    """
    if lowest_scale >= host_warp.AVERAGED_BELOW:
        return None
    # The part is the box around a rotated crop with two pixels more on each side. Its ends are rounded to pixels of the
    # image, each less than half a pixel of the crop, and the reduced sides are rounded.
    radians = math.radians(min(rotation, 45.0))
    side = math.ceil((size + 3) * (math.cos(radians) + math.sin(radians)) + 2)
    # A side of n * scale pixels is rounded to at least two thirds of this, and to 1 from 0.5 to 1.5.
    return Averaging(side, math.ceil(1.5 / lowest_scale) + 1)


def warp(
    words: jax.Array, limits: jax.Array, matrix: jax.Array, size: int, averaging: Averaging | None
) -> jax.Array:
    """Samples a crop from an image like `dsat_jax.warp.warp`; pixels outside the image are black.

    Args:
      words: image with packed pixels, uint32 [height, width].
      limits: width and height of the image in this array, int32 [2]; 0 for an image without pixels.
      matrix: similarity float64 [2, 3], image pixels to input pixels.
      size: side of the crop in pixels.
      averaging: limits of averaged parts; None if no crop needs averaging.

    Returns:
      Crop, uint8 [size, size, 3].
    """
    sampling = _sampling(matrix, limits, size)
    if averaging is None:
        return _bilinear(words.reshape(-1), 0, words.shape[1], limits, sampling)
    reduced = _reduce(words, sampling, averaging)
    # One array, so that each pixel is read once, from the image or from its reduced part.
    both = jnp.concatenate([words.reshape(-1), reduced.reshape(-1)])
    start = jnp.where(sampling.averaged, words.size, 0)
    stride = jnp.where(sampling.averaged, averaging.side, words.shape[1])
    shown = jnp.where(sampling.averaged & (limits > 0), sampling.shrunk, limits)
    return _bilinear(both, start, stride, shown, sampling)


def _sampling(matrix: jax.Array, limits: jax.Array, size: int) -> _Sampling:
    """Returns the positions of a crop's pixels, and the part to average; compare `dsat_jax.warp`."""
    with jax.enable_x64(True):
        # The part of the image that the crop shows, as in `dsat_jax.warp._part`.
        last = size + 1
        ends = np.array([[-2.0, -2], [last, -2], [-2, last], [last, last]])
        corners = geometry.transform_points(geometry.invert(matrix), ends)
        low = jnp.clip(jnp.floor(corners.min(axis=0)), 0, limits - 1)
        high = jnp.clip(jnp.ceil(corners.max(axis=0)) + 1, low + 1, limits)
        scale = jnp.hypot(matrix[0, 0], matrix[1, 0])
        shrunk = jnp.maximum(jnp.round((high - low) * scale), 1)
        to_part = jnp.concatenate([np.eye(2), -low[:, None]], axis=1)
        resized = geometry.compose(geometry.resize_matrix(*(shrunk / (high - low))), to_part)
        averaged = scale < host_warp.AVERAGED_BELOW
        matrix = jnp.where(averaged, geometry.compose(matrix, geometry.invert(resized)), matrix)
        # OpenCV rounds both parts to integers and adds half of 1/32 px.
        inverse = geometry.invert(matrix) * _UNIT
        pixels = np.arange(size)
        along_x = jnp.round(inverse[:, :1] * pixels)
        along_y = jnp.round(inverse[:, 1:2] * pixels + inverse[:, 2:]) + (_UNIT >> _BITS) // 2
        integers = (array.astype(jnp.int32) for array in (low, high, shrunk))
        return _Sampling(along_x.astype(jnp.int32), along_y.astype(jnp.int32), averaged, *integers)


def _reduce(words: jax.Array, sampling: _Sampling, averaging: Averaging) -> jax.Array:
    """Averages the part of an image over the areas of the reduced pixels, like `cv2.INTER_AREA`.

    Sums of a fixed order instead of matrix products, whose rounding would depend on the number of faces on a device.

    Args:
      words: image with packed pixels, uint32 [height, width].
      sampling: part of the image and its reduced size.
      averaging: limits of averaged parts.

    Returns:
      Packed pixels uint32 [side, side]; those beyond the reduced size have no meaning.
    """

    def average(axis: int, lines: jax.Array) -> jax.Array:
        """Averages lines [height or width, ...], packed or not, along the first axis: float32 [3, side, ...]."""
        low, high, shrunk = (array[axis].astype(jnp.float32) for array in sampling[3:])
        factor = (high - low) / shrunk
        first = low + jnp.arange(averaging.side, dtype=jnp.float32) * factor
        last = jnp.minimum(first + factor, high)
        total = 0.0
        for tap in range(averaging.taps):
            pixel = jnp.floor(first) + tap
            overlap = jnp.maximum(jnp.minimum(last, pixel + 1) - jnp.maximum(first, pixel), 0)
            line = lines[jnp.clip(pixel.astype(jnp.int32), 0, len(lines) - 1)]
            total += (overlap / factor).reshape(-1, *(1,) * (line.ndim - 1)) * line
        return total

    unpacked = jnp.stack([words >> shift & 255 for shift in (0, 8, 16)], axis=1).astype(jnp.float32)
    narrow = average(
        0, jnp.moveaxis(average(1, unpacked), 2, 0)
    )  # [side (y), 3, width] -> [side (x), side (y), 3]
    return pack(jnp.round(narrow).T)


def _bilinear(
    words: jax.Array, start: jax.Array | int, stride: jax.Array | int, limits: jax.Array, sampling: _Sampling
) -> jax.Array:
    """Returns the bilinear samples of an image with the integer arithmetic of OpenCV, uint8 [size, size, 3].

    Args:
      words: packed pixels, uint32 [pixels].
      start: number of the image's first pixel.
      stride: distance of its rows.
      limits: its width and height, int32 [2].
      sampling: positions of the samples.
    """
    rounded = (
        sampling.along_y[:, :, None] + sampling.along_x[:, None, :]
    ) >> _BITS  # [2, size, size], 1/32 px
    whole, fraction = rounded >> _BITS, rounded & (1 << _BITS) - 1
    total = [jnp.int32(1 << 2 * _BITS - 1)] * 3  # half of the sum of the weights, for rounding
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = whole[0] + right, whole[1] + down
        inside = (x >= 0) & (y >= 0) & (x < limits[0]) & (y < limits[1])
        at = jnp.where(inside, start + y * stride + x, 0)
        word = jnp.where(inside, words.at[at].get(mode="promise_in_bounds"), 0)
        parts = [
            part if last else (1 << _BITS) - part for part, last in zip(fraction, (right, down), strict=True)
        ]
        weight = parts[0] * parts[1]
        total = [
            value + weight * (word >> 8 * channel & 255).astype(jnp.int32)
            for channel, value in enumerate(total)
        ]
    return jnp.stack([value >> 2 * _BITS for value in total], axis=-1).astype(jnp.uint8)
