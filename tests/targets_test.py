"""Rendered heatmaps, compared with maps of the released code and exact distances, and decoded again."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import decode, geometry, targets
from dsat_jax.schemes import SCHEMES, W300_68


def test_landmark_maps_equal_the_original(recorded):
    golden = recorded("targets.npz")
    points = golden["boundary/keypoints"][:1]
    ours = targets.landmark_heatmaps(jnp.asarray(points), 128, 3.0, truncate=True)[0]
    np.testing.assert_allclose(np.moveaxis(ours, -1, 0), golden["gaussian/maps_first"], atol=1e-6)


def test_boundary_maps_agree_with_the_original_within_its_rasterisation(recorded):
    """The original rasterises slightly bent curves and approximates the distance with 5x5 integer weights.

    The maps of this project have the exact distance to the straight polyline. Most pixels agree within 1 px. The
    largest difference, 1.5 px, is at the upper lip, where the curve is bent (face 1, pixel (43, 94)).
    """
    golden = recorded("targets.npz")
    points = jnp.asarray(golden["boundary/integer_keypoints"], jnp.float32)
    ours = targets.boundary_heatmaps(points, W300_68.boundaries, 128, 3.0, truncate=True)
    theirs = golden["boundary/maps"].transpose(0, 2, 3, 1)
    both = (ours > 0.15) & (theirs > 0.15)  # exp(-d^2 / 18) > 0.15 is d < 5.84: inside both reaches
    distances = [np.sqrt(-18 * np.log(np.minimum(np.asarray(maps)[both], 1.0))) for maps in (ours, theirs)]
    error = np.abs(distances[0] - distances[1])
    assert np.percentile(error, 99) < 1.1
    assert error.max() < 1.6
    assert error.mean() < 0.35
    assert both.sum() > 0.85 * (np.asarray(theirs) > 0.15).sum()
    assert np.asarray(ours).min() == pytest.approx(0.001) == theirs.min()


def test_boundary_map_is_the_exact_distance_to_the_polyline():
    """The expected distance is the smallest one to a dense sampling of the line, in float64."""
    line = np.array([[4.3, 5.1], [20.2, 8.7], [22.9, 25.5], [22.9, 25.5]])
    share = np.linspace(0, 1, 20_001)[:, None]
    dense = np.concatenate([a + share * (b - a) for a, b in itertools.pairwise(line)])
    y, x = np.mgrid[:32, :32]
    pixels = np.stack([x, y], -1).reshape(-1, 1, 2)
    exact = np.array([np.min(np.linalg.norm(pixel - dense, axis=-1)) for pixel in pixels]).reshape(32, 32)
    ours = targets.boundary_heatmaps(jnp.asarray(line, jnp.float32)[None], ((0, 1, 2, 3),), 32, 3.0)[
        0, ..., 0
    ]
    inside = exact < 5.99
    np.testing.assert_allclose(ours[inside], np.exp(-(exact[inside] ** 2) / 18), atol=2e-4)
    np.testing.assert_allclose(ours[exact > 6.01], 0.001)


def test_one_point_boundary_is_a_disc_of_radius_two():
    ours = targets.boundary_heatmaps(jnp.array([[[5.0, 6.0]]]), ((0,),), 12, 3.0)[0, ..., 0]
    y, x = np.mgrid[:12, :12]
    np.testing.assert_allclose(ours, np.where(np.hypot(x - 5, y - 6) <= 2, 1.0, 0.001))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_boundaries_of_a_mirrored_face_are_the_mirrored_boundaries(scheme):
    """This includes boundaries of one point and boundaries with the same points."""
    points = np.random.default_rng(0).uniform(4, 27, (1, scheme.num_points, 2)).astype(np.float32)
    mirrored = geometry.mirror_points(points, 32, scheme.mirror_permutation).astype(np.float32)
    maps, mirrored_maps = (
        targets.boundary_heatmaps(jnp.asarray(p), scheme.boundaries, 32, 1.5) for p in (points, mirrored)
    )
    expected = maps[:, :, ::-1][..., scheme.boundary_mirror_permutation]
    np.testing.assert_allclose(mirrored_maps, expected, atol=1e-4)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("decoder", ["log_quadratic", "soft_argmax"])
def test_decoding_the_targets_returns_the_points(scheme, decoder):
    points = np.random.default_rng(0).uniform(12, 115, (2, scheme.num_points, 2)).astype(np.float32)
    landmarks, boundaries = targets.render(
        jnp.asarray(points), scheme.boundaries, 128, 64, 1.5, truncate=False
    )
    assert landmarks.shape == (2, 64, 64, scheme.num_points)
    assert boundaries.shape == (2, 64, 64, 13)
    decoded = decode.DECODERS[decoder](landmarks)
    assert np.abs(decoded - decode.to_heatmap_pixels(points, 2.0)).max() < 0.05


def test_truncated_targets_lose_the_fraction():
    points = jnp.array([[[10.75, 20.25]]])
    (maps,) = targets.render(points, (), 32, 32, 1.5, truncate=True)
    np.testing.assert_allclose(decode.log_quadratic(maps), [[[10.0, 20.0]]], atol=1e-3)


def test_points_far_outside_give_empty_landmark_maps_and_finite_boundary_maps():
    points = jnp.array([[[-500.0, 40.0], [10.0, 900.0]]])
    landmarks, boundaries = targets.render(points, ((0, 1),), 32, 32, 3.0, truncate=False)
    np.testing.assert_allclose(landmarks, 0.0)
    assert jnp.isfinite(boundaries).all()


def test_the_weight_of_a_boundary_is_the_smallest_of_its_landmarks():
    weights = targets.channel_weights(jnp.array([[1.0, 0.0, 1.0]]), ((0, 1), (0, 2), (2,)))
    np.testing.assert_array_equal(weights, [[1, 0, 1, 0, 1, 1]])


def test_rendering_makes_no_array_with_a_segment_axis():
    """The temporary memory is less than twice the output, because the segments of a boundary are a running minimum."""
    points = jnp.zeros((4, 98, 2))
    render = jax.jit(lambda p: targets.render(p, SCHEMES["wflw_98"].boundaries, 64, 64, 3.0, False))
    memory = render.lower(points).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2 * memory.output_size_in_bytes
