"""JPEG compression of training images on the device: baseline JPEG, 2x2 chroma subsampling, no entropy code.

Each transform along one axis (padding to whole blocks, subsampling, cosine transform) is linear, so that their product
is one constant matrix for the rows and one for the columns.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

_BLOCK = 8  # side of the blocks of the cosine transform
# Annex K of the JPEG standard (ITU-T T.81): quantisation tables of quality 50.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA = np.full((_BLOCK, _BLOCK), 99, np.float32)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# Rows: Y, Cb, Cr of an RGB colour (JFIF); chroma is relative to its centre.
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_TO_RGB = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], np.float32)


def compress(images: jax.Array, quality: jax.Array) -> jax.Array:
    """Returns the images after JPEG compression and decoding.

    Args:
      images: float32 [batch, height, width, 3] in [0, 1].
      quality: whole numbers from 1 to 100 [batch], on the scale of libjpeg.

    Returns:
      float32 [batch, height, width, 3] in [0, 1], multiples of 1 / 255.
    """
    planes = jnp.moveaxis(jnp.round(255 * images), -1, 1)  # [batch, 3, height, width]
    planes = jnp.round(_mix(_TO_YCC, planes))
    luma = _quantised(planes[:, :1] - 128, _tables(_LUMA, quality), subsampling=1) + 128
    chroma = _quantised(planes[:, 1:], _tables(_CHROMA, quality), subsampling=2)
    planes = jnp.round(jnp.concatenate([jnp.clip(luma, 0, 255), jnp.clip(chroma, -128, 127)], axis=1))
    return jnp.clip(jnp.moveaxis(jnp.round(_mix(_TO_RGB, planes)), 1, -1) / 255, 0.0, 1.0)


def _mix(matrix: np.ndarray, planes: jax.Array) -> jax.Array:
    """Returns a linear combination of colour planes [batch, 3, height, width] for each row of `matrix` [3, 3]."""
    return jnp.stack([sum(w * planes[:, i] for i, w in enumerate(row) if w) for row in matrix], axis=1)


def _tables(table: np.ndarray, quality: jax.Array) -> jax.Array:
    """Returns the quantisation tables of some qualities [batch], float32 [batch, 8, 8], as libjpeg scales them."""
    quality = quality.astype(jnp.float32)[:, None, None]
    percent = jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)
    return jnp.clip(jnp.floor((table * percent + 50) / 100), 1, 255)


def _quantised(planes: jax.Array, tables: jax.Array, subsampling: int) -> jax.Array:
    """Returns planes [batch, planes, height, width] whose cosine transform is rounded to multiples of the tables."""
    (encode_rows, decode_rows), (encode_columns, decode_columns) = (
        _transforms(side, subsampling) for side in planes.shape[-2:]
    )
    coefficients = _product(encode_rows, planes, encode_columns.T)
    rows, columns = coefficients.shape[-2:]
    steps = jnp.tile(tables, (1, rows // _BLOCK, columns // _BLOCK))[:, None]
    coefficients = steps * jnp.round(coefficients / steps)
    return _product(decode_rows, coefficients, decode_columns.T)


def _product(left: np.ndarray, planes: jax.Array, right: np.ndarray) -> jax.Array:
    """Returns the matrix product of `left`, each plane and `right`, in float32 on every device."""
    planes = jnp.matmul(planes, right, precision="highest")
    return jnp.einsum("ij,bcjk->bcik", left, planes, precision="highest")


@functools.cache
def _transforms(side: int, subsampling: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrices to and from the cosine coefficients of one axis.

    Args:
      side: number of pixels along the axis.
      subsampling: number of pixels of which one sample is the mean, 1 or 2. Decoding interpolates linearly, as the
        "fancy upsampling" of libjpeg.

    Returns:
      encode float32 [coefficients, side]; decode float32 [side, coefficients].
    """
    whole = -(-side // (_BLOCK * subsampling)) * _BLOCK * subsampling
    padding = np.eye(side)[np.minimum(np.arange(whole), side - 1)]  # repeats the last pixel
    samples = whole // subsampling
    reduction = np.kron(np.eye(samples), np.full((1, subsampling), 1 / subsampling))
    places = (np.arange(whole) + 0.5) / subsampling - 0.5
    distances = np.abs(np.clip(places, 0, samples - 1)[:, None] - np.arange(samples))
    expansion = np.maximum(1 - distances, 0)
    frequency, pixel = np.mgrid[:_BLOCK, :_BLOCK]
    cosine = np.cos((2 * pixel + 1) * frequency * np.pi / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    cosine[0] /= np.sqrt(2)
    blocks = np.kron(np.eye(samples // _BLOCK), cosine)
    encode, decode = blocks @ reduction @ padding, (expansion @ blocks.T)[:side]
    return encode.astype(np.float32), decode.astype(np.float32)
