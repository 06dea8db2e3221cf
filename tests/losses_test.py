"""Losses, compared with values computed by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import losses

# The pieces of the penalties meet at t = 0.01 and w = 10. These are points on both sides of each.
AROUND = [0.0099, 0.0101, 9.99, 10.01]


@pytest.mark.parametrize(
    ("penalty", "values", "slopes"),
    [
        (losses.l1, [0, 0.01, 10], [1, 1, 1, 1]),
        (losses.l2, [0, 0.00005, 50], [0.0099, 0.0101, 9.99, 10.01]),
        (losses.smooth_l1, [0, 0.00005, 9.5], [0.0099, 0.0101, 1, 1]),
        # 10 ln 1.005 and 10 ln 6; the slope is 10 / (2 + x) below w and 1 above it.
        (losses.wing, [0, 0.04987542, 17.91759469], [10 / 2.0099, 10 / 2.0101, 10 / 11.99, 1]),
        # c2 = 0.02999975: 12 ln 1.005 - c2 and 12 ln 6 - c2. The slope below t is 2 s x with s = 298.50746.
        (losses.smooth_wing, [0, 0.02985075, 21.47111388], [5.91044776, 12 / 2.0101, 12 / 11.99, 1]),
    ],
)
def test_values_and_slopes_at_zero_t_and_w(penalty, values, slopes):
    edges, around = jnp.array([0, 0.01, 10]), jnp.array(AROUND)
    for sign in (1, -1):
        np.testing.assert_allclose(penalty(sign * edges), values, rtol=1e-4)
        gradients = jax.vmap(jax.grad(penalty))(sign * around)
        np.testing.assert_allclose(gradients, sign * np.array(slopes), rtol=1e-5)


@pytest.mark.parametrize(
    ("penalty", "slope"),
    [(losses.l1, 1), (losses.l2, 0), (losses.smooth_l1, 0), (losses.wing, 5), (losses.smooth_wing, 0)],
)
def test_slopes_near_zero_jump_only_for_l1_and_wing(penalty, slope):
    gradients = jax.vmap(jax.grad(penalty))(jnp.array([1e-7, -1e-7]))
    np.testing.assert_allclose(gradients, [slope, -slope], atol=1e-4)


def test_wing_values_and_slopes():
    # w = 10, eps = 2: 10 ln(1 + 2 / 2) = 6.931472; c = 10 - 10 ln 6 = -7.917595; at 12: 12 + 7.917595.
    np.testing.assert_allclose(
        losses.wing(jnp.array([0.0, 2.0, -2.0, 12.0])), [0, 6.931472, 6.931472, 19.917595], rtol=1e-6
    )
    slope = jax.vmap(jax.grad(losses.wing))(jnp.array([2.0, -2.0, 12.0]))
    np.testing.assert_allclose(slope, [2.5, -2.5, 1.0], rtol=1e-6)  # w / (eps + x) = 10 / 4


def test_smooth_wing_values():
    # s = 12 / (2 * 0.01 * 2.01) = 298.50746; s * 0.005^2 = 0.00746269.
    # c2 = 12 ln 1.005 - s t^2 = 0.05985050 - 0.02985075 = 0.02999975; at 2: 12 ln 2 - c2 = 8.28776642.
    # c1 = 10 - 12 ln 6 = -11.50111363; at 12: 12 + 11.50111363 - 0.02999975 = 23.47111388.
    x = jnp.array([0.0, 0.005, 2.0, -2.0, 12.0])
    np.testing.assert_allclose(
        losses.smooth_wing(x), [0, 0.00746269, 8.28776642, 8.28776642, 23.47111388], rtol=1e-5
    )


@pytest.mark.parametrize(("edge", "expected"), [(losses.SMOOTH_WING_T, 5.9701493), (losses.WING_WIDTH, 1.0)])
def test_smooth_wing_is_continuous_in_value_and_slope(edge, expected):
    with jax.enable_x64(True):
        below, above = jnp.float64(edge * (1 - 1e-9)), jnp.float64(edge * (1 + 1e-9))
        assert abs(losses.smooth_wing(below) - losses.smooth_wing(above)) < 1e-6
        slopes = [float(jax.grad(losses.smooth_wing)(x)) for x in (below, above)]
        np.testing.assert_allclose(slopes, expected, rtol=1e-6)


def test_smooth_wing_has_no_slope_at_zero():
    assert jax.grad(losses.smooth_wing)(0.0) == 0.0


def test_coordinate_loss_sums_over_points_and_averages_over_faces():
    points = jnp.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 4.0]]])
    loss = losses.coordinate_loss(points, jnp.zeros((2, 2, 2)), jnp.ones((2, 2)), jnp.abs)
    assert loss == pytest.approx((1 + 2 + 4) / 2)


def test_a_face_of_a_joint_scheme_counts_for_the_landmarks_of_one():
    """Three of six landmarks are known: a face counts as six by default, and as three with a count of three."""
    points, labels = jnp.ones((1, 6, 2)), jnp.zeros((1, 6, 2))
    weights = jnp.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    assert losses.coordinate_loss(points, labels, weights, losses.l1) == pytest.approx(12)
    assert losses.coordinate_loss(points, labels, weights, losses.l1, count=3) == pytest.approx(6)


def test_unknown_points_are_ignored_even_if_they_are_nan():
    points = jnp.array([[[1.0, 0.0], [5.0, 5.0]], [[3.0, 3.0], [3.0, 3.0]]])
    labels = jnp.array([[[0.0, 0.0], [math.nan, 0.0]], [[math.nan, 0.0], [math.nan, 0.0]]])
    weights = jnp.array([[1.0, 0.0], [0.0, 0.0]])
    value, slope = jax.value_and_grad(losses.coordinate_loss)(points, labels, weights, losses.smooth_wing)
    # One of two landmarks of the first face is known, so that its penalty counts twice. The second face is ignored.
    assert value == pytest.approx(2 * float(losses.smooth_wing(1.0)), rel=1e-6)
    assert jnp.isfinite(slope).all()
    assert (slope[1] == 0).all()


def test_heatmap_loss_is_the_mean_square_over_known_channels():
    heatmaps = jnp.zeros((1, 2, 2, 2)).at[0, 0, 0, 0].set(2.0)
    targets = jnp.zeros((1, 2, 2, 2)).at[..., 1].set(jnp.nan)
    together = jax.value_and_grad(losses.heatmap_loss)(heatmaps, [targets], jnp.array([[1.0, 0.0]]))
    apart = [targets[..., :1], targets[..., 1:]]
    value, slope = jax.value_and_grad(losses.heatmap_loss)(heatmaps, apart, jnp.array([[1.0, 0.0]]))
    jax.tree.map(np.testing.assert_array_equal, together, (value, slope))
    assert value == pytest.approx(1.0)
    assert slope[0, 0, 0, 0] == pytest.approx(1.0)  # 2 * 2 / 4
    assert jnp.isfinite(slope).all()
    assert losses.heatmap_loss(heatmaps, [jnp.zeros((1, 2, 2, 2))], jnp.ones((1, 2))) == pytest.approx(0.5)
