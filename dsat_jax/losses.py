"""Losses on heatmaps and on coordinates.

Coordinate penalties are elementwise functions of a difference in pixels of the network's input. `coordinate_loss`
sums one over landmarks and axes and averages it over faces.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

SMOOTH_WING_T = 0.01
WING_WIDTH = 10.0
WING_EPSILON = 2.0


def l1(difference: jax.Array) -> jax.Array:
    """|x|."""
    return jnp.abs(difference)


def l2(difference: jax.Array) -> jax.Array:
    """x^2 / 2."""
    return jnp.square(difference) / 2


def smooth_l1(difference: jax.Array) -> jax.Array:
    """x^2 / 2 for |x| < 1, |x| - 1/2 beyond."""
    x = jnp.abs(difference)
    return jnp.where(x < 1, jnp.square(difference) / 2, x - 0.5)


def wing(difference: jax.Array, width: float = WING_WIDTH, epsilon: float = WING_EPSILON) -> jax.Array:
    """The wing penalty (Feng et al., CVPR 2018, equation 5).

    w ln(1 + |x| / eps) for |x| < w, |x| - c beyond, with c = w - w ln(1 + w / eps).
    """
    x = jnp.abs(difference)
    offset = width - width * jnp.log1p(width / epsilon)
    return jnp.where(x < width, width * jnp.log1p(x / epsilon), x - offset)


def smooth_wing(
    difference: jax.Array,
    width: float = WING_WIDTH,
    epsilon: float = WING_EPSILON,
    t: float = SMOOTH_WING_T,
) -> jax.Array:
    """The smooth-Wing penalty of LOTR (arXiv 2109.10057), quadratic at 0, a logarithm, then linear.

    s x^2 for |x| < t; (w + eps) ln(1 + |x| / eps) - c2 for t <= |x| <= w; |x| - c1 - c2 for |x| > w, with
    s = (w + eps) / (2 t (eps + t)) and c1 = w - (w + eps) ln(1 + w / eps). The paper prints c2 = s t^2, which
    leaves a step of 1.5e-4 at t; c2 = (w + eps) ln(1 + t / eps) - s t^2 is continuous and has the same gradients.
    """
    x = jnp.abs(difference)
    scale = (width + epsilon) / (2 * t * (epsilon + t))
    c1 = width - (width + epsilon) * jnp.log1p(width / epsilon)
    c2 = (width + epsilon) * jnp.log1p(t / epsilon) - scale * t**2
    logarithm = (width + epsilon) * jnp.log1p(x / epsilon) - c2
    # The square of the difference itself: the gradient of |x| at 0 is no matter there.
    return jnp.where(x < t, scale * difference**2, jnp.where(x <= width, logarithm, x - c1 - c2))


PENALTIES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "l1": l1,
    "l2": l2,
    "smooth_l1": smooth_l1,
    "wing": wing,
    "smooth_wing": smooth_wing,
}


def coordinate_loss(
    points: jax.Array, labels: jax.Array, weights: jax.Array, penalty: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """A penalty summed over landmarks and axes, averaged over the faces that have a known landmark.

    Args:
      points: [batch, points, 2] predicted, input pixels.
      labels: [batch, points, 2], input pixels.
      weights: [batch, points], 0 where the label is unknown.
      penalty: elementwise, one of `PENALTIES`.

    Returns:
      float32 scalar. The sum is scaled as if all landmarks were known, so that faces with many unknown ones do
      not count less per known landmark.
    """
    # An unknown label may hold anything, also NaN, whose gradient would survive a multiplication by zero.
    difference = jnp.where(weights[..., None] > 0, points - labels, 0.0).astype(jnp.float32)
    per_point = penalty(difference).sum(axis=-1) * weights  # [batch, points]
    known = weights.sum(axis=-1)  # [batch]
    per_face = per_point.sum(axis=-1) * weights.shape[-1] / jnp.maximum(known, 1.0)
    return per_face.sum() / jnp.maximum((known > 0).sum(), 1)


def heatmap_loss(heatmaps: jax.Array, targets: Sequence[jax.Array], weights: jax.Array) -> jax.Array:
    """Mean squared error over all channels (the released code's loss where every weight is 1).

    Args:
      heatmaps: [batch, height, width, channels] predicted.
      targets: of the channels in sequence, [batch, height, width, some] each.
      weights: [batch, channels], 0 where a channel's target is unknown.

    Returns:
      float32 scalar.
    """
    first, total = 0, jnp.zeros(())
    for target in targets:
        channels = slice(first, first + target.shape[-1])
        first = channels.stop
        weight = weights[:, channels]
        # As in `coordinate_loss`: an unknown target may hold anything.
        known = weight[:, None, None] > 0
        difference = jnp.where(known, heatmaps[..., channels].astype(jnp.float32) - target, 0.0)
        total += (jnp.square(difference).mean(axis=(1, 2)) * weight).sum()
    return total / jnp.maximum(weights.sum(), 1.0)
