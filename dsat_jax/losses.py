"""Losses on heatmaps and on coordinates.

The penalties are elementwise functions of a coordinate difference in input pixels. `coordinate_loss` sums a penalty
over landmarks and axes and averages the sums over faces.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

SMOOTH_WING_T = 0.01
WING_WIDTH = 10.0
WING_EPSILON = 2.0


def l1(difference: jax.Array) -> jax.Array:
    """Returns |x|."""
    return jnp.abs(difference)


def l2(difference: jax.Array) -> jax.Array:
    """Returns x^2 / 2."""
    return jnp.square(difference) / 2


def smooth_l1(difference: jax.Array) -> jax.Array:
    """Returns x^2 / 2 for |x| < 1 and |x| - 1/2 otherwise."""
    x = jnp.abs(difference)
    return jnp.where(x < 1, jnp.square(difference) / 2, x - 0.5)


def wing(difference: jax.Array, width: float = WING_WIDTH, epsilon: float = WING_EPSILON) -> jax.Array:
    """Returns the Wing penalty (Feng et al., CVPR 2018, equation 5).

    It is w ln(1 + |x| / eps) for |x| < w and |x| - c otherwise, with c = w - w ln(1 + w / eps).
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
    """Returns the smooth-Wing penalty of LOTR (arXiv 2109.10057): quadratic near 0, then logarithmic, then linear.

    It is s x^2 for |x| < t; (w + eps) ln(1 + |x| / eps) - c2 for t <= |x| <= w; and |x| - c1 - c2 for |x| > w, with
    s = (w + eps) / (2 t (eps + t)) and c1 = w - (w + eps) ln(1 + w / eps). With the c2 = s t^2 of the paper the penalty
    jumps by 1.5e-4 at t. With c2 = (w + eps) ln(1 + t / eps) - s t^2 it is continuous and has the same gradients.
    """
    x = jnp.abs(difference)
    scale = (width + epsilon) / (2 * t * (epsilon + t))
    c1 = width - (width + epsilon) * jnp.log1p(width / epsilon)
    c2 = (width + epsilon) * jnp.log1p(t / epsilon) - scale * t**2
    logarithm = (width + epsilon) * jnp.log1p(x / epsilon) - c2
    # The square is computed from `difference`, so that its gradient does not depend on that of |difference| at 0.
    return jnp.where(x < t, scale * difference**2, jnp.where(x <= width, logarithm, x - c1 - c2))


PENALTIES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "l1": l1,
    "l2": l2,
    "smooth_l1": smooth_l1,
    "wing": wing,
    "smooth_wing": smooth_wing,
}


def coordinate_loss(
    points: jax.Array,
    labels: jax.Array,
    weights: jax.Array,
    penalty: Callable[[jax.Array], jax.Array],
    count: int | None = None,
) -> jax.Array:
    """Returns a penalty summed over landmarks and axes and averaged over the faces with a known landmark.

    Args:
      points: predicted landmarks [batch, points, 2] in input pixels.
      labels: labels [batch, points, 2] in input pixels.
      weights: weights of the landmarks [batch, points], 0 where the label is unknown.
      penalty: elementwise penalty, one of `PENALTIES`.
      count: number of landmarks for which each face counts; None for all.

    Returns:
      Loss, float32 scalar. The sum of a face is scaled by (count / known landmarks), so that a face with few known
      landmarks counts as much as any other.
    """
    # An unknown label may be NaN, and a multiplication by zero would not remove NaN from the gradient.
    difference = jnp.where(weights[..., None] > 0, points - labels, 0.0).astype(jnp.float32)
    per_point = penalty(difference).sum(axis=-1) * weights  # [batch, points]
    known = weights.sum(axis=-1)  # [batch]
    per_face = per_point.sum(axis=-1) * (count or weights.shape[-1]) / jnp.maximum(known, 1.0)
    return per_face.sum() / jnp.maximum((known > 0).sum(), 1)


def heatmap_loss(heatmaps: jax.Array, targets: Sequence[jax.Array], weights: jax.Array) -> jax.Array:
    """Returns the weighted mean squared error over all channels; if all weights are 1, the loss of the released code.

    Args:
      heatmaps: predicted heatmaps [batch, height, width, channels].
      targets: target heatmaps [batch, height, width, c_i]; their channels in sequence are those of `heatmaps`.
      weights: weights of the channels [batch, channels], 0 where the target is unknown.

    Returns:
      Loss, float32 scalar.
    """
    first, total = 0, jnp.zeros(())
    for target in targets:
        channels = slice(first, first + target.shape[-1])
        first = channels.stop
        weight = weights[:, channels]
        # An unknown target may be NaN, as in `coordinate_loss`.
        known = weight[:, None, None] > 0
        difference = jnp.where(known, heatmaps[..., channels].astype(jnp.float32) - target, 0.0)
        total += (jnp.square(difference).mean(axis=(1, 2)) * weight).sum()
    return total / jnp.maximum(weights.sum(), 1.0)
