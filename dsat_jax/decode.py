"""Decoders from heatmaps to points.

The functions are pure and vectorised over batch and landmarks. Finite heatmaps give finite points.
"""

import jax
import jax.numpy as jnp

from dsat_jax import geometry

# Factor in the exponent of `soft_argmax`. At 10, the weights around a Gaussian peak have a standard deviation near
# sigma / sqrt(10).
SHARPNESS = 10.0
_PRIOR_MASS = 1.0  # keeps the gradient of soft_argmax bounded while a heatmap is still flat
_FIT_RADIUS = 3  # pixels; the released code fits in a 7x7 window
_SMALLEST = 1e-12  # lower bound of the argument of the logarithm, as in the released code
_RIDGE = 1e-6  # share of the total weight; keeps the normal equations regular where few pixels have a weight


def argmax(heatmaps: jax.Array) -> jax.Array:
    """Returns the pixel of the largest value of each heatmap.

    Args:
      heatmaps: heatmaps [batch, height, width, points].

    Returns:
      Points, float32 [batch, points, 2], whole numbers of heatmap pixels.
    """
    batch, height, width, points = heatmaps.shape
    index = jnp.argmax(heatmaps.reshape(batch, height * width, points), axis=1)  # [batch, points]
    return jnp.stack([index % width, index // width], axis=-1).astype(jnp.float32)


def peak_values(heatmaps: jax.Array) -> jax.Array:
    """Returns the largest value [batch, points] of each heatmap [batch, height, width, points]."""
    return heatmaps.max(axis=(1, 2))


def soft_argmax(heatmaps: jax.Array) -> jax.Array:
    """Returns the weighted mean position of each heatmap, a differentiable decoder.

    The weights are those of `soft_argmax_weights`. An empty map gives the centre.

    Args:
      heatmaps: heatmaps [batch, height, width, points] with peaks near 1.

    Returns:
      Points, float32 [batch, points, 2], in heatmap pixels.
    """
    _, height, width, _ = heatmaps.shape
    columns = jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2
    rows = jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2
    # The ones are subtracted from sums: for exp(x) - 1, XLA calls expm1, which takes almost 3 times as long on a CPU.
    exponentials = jnp.exp(_exponents(heatmaps))
    over_columns = exponentials.sum(axis=1) - height  # [batch, width, points], sums of the weights
    over_rows = exponentials.sum(axis=2) - width  # [batch, height, points]
    total = over_columns.sum(axis=1) + _PRIOR_MASS  # [batch, points]
    x = jnp.einsum("bwn,w->bn", over_columns, columns) / total + (width - 1) / 2
    y = jnp.einsum("bhn,h->bn", over_rows, rows) / total + (height - 1) / 2
    return jnp.stack([x, y], axis=-1)


def soft_argmax_weights(heatmaps: jax.Array) -> jax.Array:
    """Returns the weight of each pixel in `soft_argmax`, exp(SHARPNESS * max(value, 0)) - 1, float32.

    Unlike in a softmax, a pixel of value 0 has no weight, so that the background does not pull the mean position to the
    centre of the map.
    """
    return jnp.expm1(_exponents(heatmaps))


def _exponents(heatmaps: jax.Array) -> jax.Array:
    return SHARPNESS * jnp.clip(heatmaps.astype(jnp.float32), 0.0, 2.0)


def log_quadratic(heatmaps: jax.Array) -> jax.Array:
    """Returns the sub-pixel peak of a Gaussian that is fitted around each maximum.

    The polynomial c0 + c1 x + c2 y + c3 x^2 + c4 y^2 is fitted to log(value) in the 7x7 window around the argmax; the
    equation of each pixel is weighted by its value. This is the refinement of the released code, and it is exact for
    a sampled Gaussian. Pixels that are outside the map or not positive have no weight. Where the fit has no maximum,
    the result is the argmax.

    Args:
      heatmaps: heatmaps [batch, height, width, points].

    Returns:
      Points, float32 [batch, points, 2], in heatmap pixels, at most 3 pixels from the argmax on each axis.
    """
    heatmaps = heatmaps.astype(jnp.float32)
    _, height, width, _ = heatmaps.shape
    peak = argmax(heatmaps)
    offsets = jnp.arange(-_FIT_RADIUS, _FIT_RADIUS + 1)
    dy, dx = (grid.reshape(-1) for grid in jnp.meshgrid(offsets, offsets, indexing="ij"))  # [49]
    columns = peak[..., 0].astype(jnp.int32)[..., None] + dx  # [batch, points, 49]
    rows = peak[..., 1].astype(jnp.int32)[..., None] + dy
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    batch_index = jnp.arange(heatmaps.shape[0])[:, None, None]
    point_index = jnp.arange(heatmaps.shape[3])[None, :, None]
    window = heatmaps[batch_index, rows.clip(0, height - 1), columns.clip(0, width - 1), point_index]

    # The fit depends on ratios of values only. Division by the peak brings the weights into [0, 1], whatever the scale
    # of the map.
    top = jnp.maximum(peak_values(heatmaps), _SMALLEST)[..., None]
    value = jnp.where(inside, jnp.maximum(window, 0.0) / top, 0.0)
    log_value = jnp.log(jnp.maximum(value, _SMALLEST))
    # With offsets in units of the radius, all five columns of `terms` have values of the same magnitude.
    u, v = dx / _FIT_RADIUS, dy / _FIT_RADIUS
    terms = jnp.stack([jnp.ones_like(u), u, v, u**2, v**2], axis=-1)  # [49, 5]
    # Each equation is multiplied by the value of its pixel, which therefore appears squared in the normal equations.
    squared = value**2
    ridge = _RIDGE * jnp.maximum(squared.sum(axis=-1), 1.0)[..., None, None] * jnp.eye(5)
    normal = jnp.einsum("bnk,ki,kj->bnij", squared, terms, terms, precision="highest") + ridge
    right = jnp.einsum("bnk,ki->bni", squared * log_value, terms, precision="highest")
    fit = _solve(normal, right)  # [batch, points, 5]

    slope, curvature = fit[..., 1:3], fit[..., 3:5]
    has_maximum = jnp.all(curvature < -1e-3, axis=-1, keepdims=True)
    offset = jnp.where(has_maximum, -slope / jnp.where(has_maximum, 2 * curvature, 1.0), 0.0)
    return peak + _FIT_RADIUS * jnp.clip(offset, -1.0, 1.0)


def _solve(matrices: jax.Array, right: jax.Array) -> jax.Array:
    """Solves small linear systems with symmetric positive definite matrices by Gauss-Jordan elimination.

    Such matrices need no pivoting. The elimination consists of elementary operations only, so that it can be exported
    to runtimes without linear algebra solvers.

    Args:
      matrices: matrices [..., n, n].
      right: right-hand sides [..., n].

    Returns:
      Solutions [..., n].
    """
    rows = jnp.concatenate([matrices, right[..., None]], axis=-1)  # [..., n, n + 1]
    for i in range(matrices.shape[-1]):
        pivot = rows[..., i : i + 1, :] / rows[..., i : i + 1, i : i + 1]  # [..., 1, n + 1]
        others = rows - rows[..., :, i : i + 1] * pivot
        rows = jnp.concatenate([others[..., :i, :], pivot, others[..., i + 1 :, :]], axis=-2)
    return rows[..., -1]


DECODERS = {"argmax": argmax, "log_quadratic": log_quadratic, "soft_argmax": soft_argmax}


def to_input_pixels(points: jax.Array, stride: float) -> jax.Array:
    """Converts points from heatmap pixels to input pixels; `stride` is input size / heatmap size."""
    return geometry.resize_points(points, stride)


def to_heatmap_pixels(points: jax.Array, stride: float) -> jax.Array:
    """Converts points from input pixels to heatmap pixels, the inverse of `to_input_pixels`."""
    return geometry.resize_points(points, 1 / stride)
