"""Decoders, compared with recorded results of the released code and known centres, and on degenerate maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from dsat_jax import decode


def bumps(centres: np.ndarray, sigma: np.ndarray, size: int = 128) -> np.ndarray:
    """Gaussians as float32 [1, size, size, points], at least 1e-12 as in the golden file."""
    y, x = np.mgrid[:size, :size][..., None]
    squared = (x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2
    return np.maximum(np.exp(-squared / (2 * sigma**2)), 1e-12).astype(np.float32)[None]


@pytest.fixture(scope="module")
def golden(recorded, recording) -> dict[str, np.ndarray]:
    arrays = recorded("decode.npz", recording)
    return {name.removeprefix("subpixel/"): array for name, array in arrays.items()}


def test_argmax_and_refinement_equal_the_original_on_clean_maps(golden):
    heatmaps = bumps(golden["centres"], golden["sigmas"])
    np.testing.assert_array_equal(decode.argmax(heatmaps)[0], golden["clean_argmax"])
    np.testing.assert_allclose(decode.log_quadratic(heatmaps)[0], golden["clean_refined"], atol=1e-3)


def test_refinement_equals_the_original_on_noisy_maps(golden):
    maps = next(array for name, array in golden.items() if name.startswith("noisy_heatmaps_first"))
    count, heatmaps = len(maps), maps.transpose(1, 2, 0)[None]
    np.testing.assert_array_equal(decode.argmax(heatmaps)[0], golden["noisy_argmax"][:count])
    np.testing.assert_allclose(decode.log_quadratic(heatmaps)[0], golden["noisy_refined"][:count], atol=1e-3)


@pytest.mark.parametrize("decoder", ["log_quadratic", "soft_argmax"])
def test_known_centres_are_found_to_a_twentieth_of_a_pixel(decoder):
    centres = np.random.default_rng(0).uniform(8, 55, (40, 2))
    points = decode.DECODERS[decoder](bumps(centres, np.full(40, 1.5), size=64))[0]
    assert np.abs(points - centres).max() < 0.05


@pytest.mark.parametrize(
    ("name", "heatmap"),
    {
        "zero": np.zeros((16, 16)),
        "negative": -np.ones((16, 16)),
        "flat": np.full((16, 16), 0.3),
        "one pixel": np.eye(16)[3][:, None] * np.eye(16)[5],
        "one pixel in the corner": np.eye(16)[0][:, None] * np.eye(16)[0],
        "huge": 1e30 * np.eye(16),
        "tiny": 1e-30 * np.eye(16),
        "two columns at the border": np.eye(16)[0] * np.arange(16)[:, None] + 0.1 * np.eye(16)[2],
    }.items(),
)
@pytest.mark.parametrize("decoder", decode.DECODERS)
def test_degenerate_maps_give_finite_points_near_the_map(decoder, name, heatmap):
    points = decode.DECODERS[decoder](heatmap[None, :, :, None].astype(np.float32))
    assert np.isfinite(points).all(), name
    assert (points >= -3).all()
    assert (points <= 18).all()


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, (1, 8, 8, 2), elements=st.floats(-1e6, 1e6, width=32)))
def test_any_finite_map_gives_finite_points(heatmaps):
    for decoder in decode.DECODERS.values():
        assert np.isfinite(decoder(heatmaps)).all()


def test_a_peak_beyond_the_border_is_decoded():
    heatmaps = bumps(np.array([[-0.7, 5.2], [16.4, 3.0]]), np.array([2.0, 2.0]), size=16)
    np.testing.assert_allclose(decode.log_quadratic(heatmaps)[0], [[-0.7, 5.2], [16.4, 3.0]], atol=0.02)


def test_soft_argmax_moves_with_its_map_and_has_finite_gradients_on_an_empty_one():
    gradient = jax.grad(lambda maps: decode.soft_argmax(maps)[..., 0].sum())
    centred = bumps(np.array([[7.0, 7.0]]), np.array([2.0]), size=16)
    slope = gradient(centred)[0, :, :, 0]
    assert slope[7, 9] > 0 > slope[7, 5]  # a larger value on the right moves the point to the right
    assert np.isfinite(gradient(jnp.zeros((1, 16, 16, 1)))).all()


def test_pixel_conversions_are_inverse_and_keep_the_edge_of_the_image():
    points = np.array([[-0.5, -0.5], [63.5, 0.0]])
    input_points = decode.to_input_pixels(points, 2)
    np.testing.assert_allclose(input_points, [[-0.5, -0.5], [127.5, 0.5]])
    np.testing.assert_allclose(decode.to_heatmap_pixels(input_points, 2), points)
