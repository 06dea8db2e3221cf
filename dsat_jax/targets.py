"""Points to heatmaps: the regression targets, rendered on the device inside the training step."""

import jax
import jax.numpy as jnp

from dsat_jax import decode

# The released code's boundary maps end at this distance and hold a small constant beyond it.
_BOUNDARY_REACH = 6.0
_BOUNDARY_FLOOR = 0.001
_DOT_RADIUS = 2.0


def landmark_heatmaps(points: jax.Array, size: int, sigma: float, truncate: bool = False) -> jax.Array:
    """Gaussians with peak 1 at the landmarks.

    Args:
      points: [batch, points, 2], heatmap pixels.
      size: side of the heatmaps.
      sigma: standard deviation in heatmap pixels. The window ends at 3 sigma (19x19 pixels for sigma 3).
      truncate: move each landmark to its integer part first, as the released code does. The default keeps the
        fraction, without which labels are off by half a pixel on average.

    Returns:
      float32 [batch, size, size, points].
    """
    if truncate:
        points = jnp.trunc(points)
    grid = jnp.arange(size, dtype=jnp.float32)
    distance = grid[:, None, None] - points[:, None]  # [batch, size, points, 2]
    profile = jnp.where(jnp.abs(distance) <= 3 * sigma, jnp.exp(-(distance**2) / (2 * sigma**2)), 0.0)
    # A map is the product of two profiles. The barrier keeps XLA from computing their exponentials in every pixel.
    x, y = jax.lax.optimization_barrier((profile[..., 0], profile[..., 1]))
    return y[:, :, None] * x[:, None]


def boundary_heatmaps(
    points: jax.Array,
    boundaries: tuple[tuple[int, ...], ...],
    size: int,
    sigma: float,
    truncate: bool = False,
) -> jax.Array:
    """One map for each boundary: exp(-d^2 / (2 sigma^2)) of the exact distance d to its polyline.

    The released code's form: beyond twice sigma (6 pixels for its sigma of 3) the map holds 0.001; a boundary of
    one point is a filled circle of radius 2.

    Args:
      points: [batch, points, 2], heatmap pixels.
      boundaries: landmark indices of each polyline.
      size: side of the heatmaps.
      sigma: in heatmap pixels.
      truncate: move each landmark to its integer part first, as the released code does.

    Returns:
      float32 [batch, size, size, boundaries].
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
    """Squared distance of every pixel to a polyline [batch, vertices, 2], as [batch, size, size].

    The running minimum over segments is one fused elementwise expression: no array with a segment axis is made.
    """
    y, x = jnp.meshgrid(
        jnp.arange(size, dtype=jnp.float32), jnp.arange(size, dtype=jnp.float32), indexing="ij"
    )
    nearest = jnp.full((line.shape[0], size, size), jnp.inf)
    for k in range(max(line.shape[1] - 1, 1)):
        start = line[:, k, :, None, None]  # [batch, 2, 1, 1]
        step = line[:, min(k + 1, line.shape[1] - 1), :, None, None] - start
        from_x, from_y = x - start[:, 0], y - start[:, 1]  # [batch, size, size]
        # Two vertices may coincide; then the share along the segment is 0 and the distance is that to the vertex.
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
    """All target maps of a batch: those of the landmarks, and those of the boundaries if there are any.

    They are not joined to one array, which takes longer than to draw them.

    Args:
      points: [batch, points, 2], input pixels.
      boundaries: landmark indices of each polyline.
      input_size: side of the network's input in pixels.
      heatmap_size: side of the heatmaps in pixels.
      sigma: in heatmap pixels.
      truncate: see `landmark_heatmaps`.

    Returns:
      float32 [batch, heatmap_size, heatmap_size, points] and [batch, heatmap_size, heatmap_size, boundaries].
    """
    points = decode.to_heatmap_pixels(points, input_size / heatmap_size)
    landmarks = landmark_heatmaps(points, heatmap_size, sigma, truncate)
    if not boundaries:
        return (landmarks,)
    return landmarks, boundary_heatmaps(points, boundaries, heatmap_size, sigma, truncate)


def channel_weights(point_weights: jax.Array, boundaries: tuple[tuple[int, ...], ...]) -> jax.Array:
    """Weight of every target channel: a boundary counts only as much as its least known landmark.

    Args:
      point_weights: [batch, points], 0 where the position is unknown.
      boundaries: landmark indices of each polyline.

    Returns:
      [batch, points + boundaries].
    """
    of_boundaries = [point_weights[:, jnp.array(boundary)].min(axis=1) for boundary in boundaries]
    return jnp.concatenate([point_weights, *(weight[:, None] for weight in of_boundaries)], axis=1)
