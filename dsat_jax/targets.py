"""Target heatmaps, rendered from points on the device inside the training step."""

import jax
import jax.numpy as jnp

from dsat_jax import decode

# In the released code, boundary maps are a small constant beyond this distance (in pixels, for sigma 3).
_BOUNDARY_REACH = 6.0
_BOUNDARY_FLOOR = 0.001
_DOT_RADIUS = 2.0


def landmark_heatmaps(points: jax.Array, size: int, sigma: float, truncate: bool = False) -> jax.Array:
    """Renders a Gaussian with peak 1 at each landmark.

    Args:
      points: landmarks [batch, points, 2] in heatmap pixels.
      size: side of the heatmaps in pixels.
      sigma: standard deviation in heatmap pixels; the window ends at 3 sigma (19x19 pixels for sigma 3).
      truncate: whether to truncate coordinates to integers first, as the released code does; this shifts labels by
        half a pixel on average.

    Returns:
      Heatmaps, float32 [batch, size, size, points].
    """
    if truncate:
        points = jnp.trunc(points)
    grid = jnp.arange(size, dtype=jnp.float32)
    distance = grid[:, None, None] - points[:, None]  # [batch, size, points, 2]
    profile = jnp.where(jnp.abs(distance) <= 3 * sigma, jnp.exp(-(distance**2) / (2 * sigma**2)), 0.0)
    # A map is the product of two profiles. Without the barrier XLA computes the exponentials again for every pixel.
    x, y = jax.lax.optimization_barrier((profile[..., 0], profile[..., 1]))
    return y[:, :, None] * x[:, None]


def boundary_heatmaps(
    points: jax.Array,
    boundaries: tuple[tuple[int, ...], ...],
    size: int,
    sigma: float,
    truncate: bool = False,
) -> jax.Array:
    """Renders a map for each boundary: exp(-d^2 / (2 sigma^2)), where d is the exact distance to its polyline.

    As in the released code, the map is 0.001 beyond twice sigma (6 pixels for sigma 3), and a boundary of one point is
    a filled circle of radius 2.

    Args:
      points: landmarks [batch, points, 2] in heatmap pixels.
      boundaries: landmark indices of each polyline.
      size: side of the heatmaps in pixels.
      sigma: standard deviation in heatmap pixels.
      truncate: whether to truncate coordinates to integers first, as the released code does.

    Returns:
      Heatmaps, float32 [batch, size, size, boundaries].
    """
    if truncate:
        points = jnp.trunc(points)
    reach = _BOUNDARY_REACH * sigma / 3
    maps = []
    for boundary in boundaries:
        squared = _squared_distance(points[:, jnp.array(boundary)], size)
        if len(boundary) == 1:
            maps.append(jnp.where(squared <= _DOT_RADIUS**2, 1.0, _BOUNDARY_FLOOR))
        else:
            gaussian = jnp.exp(-squared / (2 * sigma**2))
            maps.append(jnp.where(squared < reach**2, gaussian, _BOUNDARY_FLOOR))
    return jnp.stack(maps, axis=-1)


def _squared_distance(line: jax.Array, size: int) -> jax.Array:
    """Returns the squared distance [batch, size, size] of every pixel to a polyline [batch, vertices, 2].

    The running minimum over segments is one fused elementwise expression, so that no array has a segment axis.
    """
    y, x = jnp.meshgrid(
        jnp.arange(size, dtype=jnp.float32), jnp.arange(size, dtype=jnp.float32), indexing="ij"
    )
    nearest = jnp.full((line.shape[0], size, size), jnp.inf)
    for k in range(max(line.shape[1] - 1, 1)):
        start = line[:, k, :, None, None]  # [batch, 2, 1, 1]
        step = line[:, min(k + 1, line.shape[1] - 1), :, None, None] - start
        from_x, from_y = x - start[:, 0], y - start[:, 1]  # [batch, size, size]
        # Two vertices may coincide. Then the share along the segment is 0, and the distance is that to the vertex.
        length = jnp.maximum(step[:, 0] ** 2 + step[:, 1] ** 2, 1e-12)
        share = jnp.clip((from_x * step[:, 0] + from_y * step[:, 1]) / length, 0.0, 1.0)
        squared = (from_x - share * step[:, 0]) ** 2 + (from_y - share * step[:, 1]) ** 2
        nearest = jnp.minimum(nearest, squared)
    return nearest


def render(
    points: jax.Array,
    boundaries: tuple[tuple[int, ...], ...],
    input_size: int,
    heatmap_size: int,
    sigma: float,
    truncate: bool,
) -> tuple[jax.Array, ...]:
    """Renders the target heatmaps of the landmarks and, if there are any, of the boundaries.

    The two arrays are not concatenated, because concatenation takes longer than rendering.

    Args:
      points: landmarks [batch, points, 2] in input pixels.
      boundaries: landmark indices of each polyline.
      input_size: side of the network's input in pixels.
      heatmap_size: side of the heatmaps in pixels.
      sigma: standard deviation in heatmap pixels.
      truncate: whether to truncate coordinates to integers first; see `landmark_heatmaps`.

    Returns:
      Landmark heatmaps, float32 [batch, heatmap_size, heatmap_size, points], and, unless `boundaries` is empty,
      boundary heatmaps [batch, heatmap_size, heatmap_size, boundaries].
    """
    points = decode.to_heatmap_pixels(points, input_size / heatmap_size)
    landmarks = landmark_heatmaps(points, heatmap_size, sigma, truncate)
    if not boundaries:
        return (landmarks,)
    return landmarks, boundary_heatmaps(points, boundaries, heatmap_size, sigma, truncate)


def channel_weights(point_weights: jax.Array, boundaries: tuple[tuple[int, ...], ...]) -> jax.Array:
    """Returns the weight of every target channel; that of a boundary is the smallest weight of its landmarks.

    Args:
      point_weights: weights of the landmarks [batch, points], 0 where the position is unknown.
      boundaries: landmark indices of each polyline.

    Returns:
      Weights [batch, points + boundaries].
    """
    boundary_weights = [point_weights[:, jnp.array(boundary)].min(axis=1) for boundary in boundaries]
    return jnp.concatenate([point_weights, *(weight[:, None] for weight in boundary_weights)], axis=1)
