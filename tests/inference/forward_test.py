"""Mirror averaging, on every output of the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from configs import synthetic
from dsat_jax import decode, geometry, targets
from dsat_jax.inference.forward import _average_mirrored, in_scheme, make_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import AFLW_19, SCHEMES, W300_68, WFLW_98, Scheme, convert


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_perfect_network_is_not_changed_by_mirror_averaging(scheme):
    """Points and heatmaps, with those of boundaries, of a face and of its mirror average to those of the face."""
    points = np.random.default_rng(0).uniform(4, 27, (1, scheme.num_points, 2)).astype(np.float32)
    mirrored = geometry.mirror_points(points, 32, scheme.mirror_permutation).astype(np.float32)
    both = jnp.concatenate([points, mirrored])
    maps = targets.render(both, scheme.boundaries, 32, 32, 1.5, truncate=False)
    heatmaps = jnp.concatenate(maps, axis=-1)
    prediction = Prediction(points=both, heatmaps=heatmaps, gates=jnp.eye(2))
    averaged = _average_mirrored(prediction, 32, scheme)
    np.testing.assert_allclose(averaged.points, points, atol=1e-4)
    np.testing.assert_allclose(averaged.heatmaps, heatmaps[:1], atol=1e-4)
    np.testing.assert_array_equal(averaged.gates, [[1, 0]])


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_points_without_heatmaps_are_averaged_with_the_mirrored_ones(scheme):
    """Errors of 2 pixels to the right in the image and 1 to the left in its mirror average to 1.5 pixels."""
    points = np.random.default_rng(0).uniform(4, 27, (1, scheme.num_points, 2)).astype(np.float32)
    mirrored = geometry.mirror_points(points, 32, scheme.mirror_permutation).astype(np.float32)
    both = jnp.concatenate([points + np.array([2, 0]), mirrored + np.array([-1, 0])])
    averaged = _average_mirrored(Prediction(points=both), 32, scheme)
    np.testing.assert_allclose(averaged.points, points + np.array([1.5, 0]), atol=1e-4)
    assert averaged.heatmaps is None


class Brightest(nn.Module):
    """A map that is the first channel of the image."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> Prediction:
        heatmaps = images[..., :1]
        return Prediction(points=decode.soft_argmax(heatmaps), heatmaps=heatmaps)


def test_the_faces_of_a_batch_do_not_mix():
    config = synthetic.get_config()
    config.input.size = 32
    scheme = Scheme(
        "one", 1, mirror_pairs=(), boundaries=(), eye_corners=(0, 0), pupils=((0,), (0,)), lines=()
    )
    peaks = [(5, 9), (20, 12), (30, 31)]  # x, y
    images = np.zeros((3, 32, 32, 3), np.uint8)
    for image, (x, y) in zip(images, peaks, strict=True):
        image[y, x] = 255
    landmarks = make_forward(Brightest(), config, scheme, mirror=True)({}, images)
    np.testing.assert_allclose(landmarks.points[:, 0], peaks, atol=1e-2)


class TwoForms(nn.Module):
    """One peak at (20, 12) for the first half of a batch; a low peak there and a high one elsewhere for the other."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> Prediction:
        first = jnp.zeros((32, 32)).at[12, 20].set(1.0)
        second = jnp.zeros((32, 32)).at[12, 31 - 20].set(0.1).at[12, 31 - 28].set(1.5)
        heatmaps = jnp.stack([first, second])[..., None]
        return Prediction(points=decode.soft_argmax(heatmaps), heatmaps=heatmaps)


@pytest.mark.parametrize(("decoder", "expected"), [("soft_argmax", (20 + 28) / 2), ("argmax", 28.0)])
def test_heatmaps_are_averaged_before_decoding_except_with_soft_argmax(decoder, expected):
    config = synthetic.get_config()
    config.input.size = 32
    config.evaluate.decoder = decoder
    scheme = Scheme(
        "one", 1, mirror_pairs=(), boundaries=(), eye_corners=(0, 0), pupils=((0,), (0,)), lines=()
    )
    landmarks = make_forward(TwoForms(), config, scheme, mirror=True)({}, np.zeros((1, 32, 32, 3), np.uint8))
    np.testing.assert_allclose(landmarks.points[0, 0], [expected, 12], atol=0.02)


@pytest.mark.parametrize("has_confidence", [True, False])
def test_landmarks_are_converted_with_their_confidence(has_confidence):
    points = jnp.asarray(np.random.default_rng(0).uniform(0, 31, (2, 98, 2)))
    confidence = points[..., 0] if has_confidence else None
    landmarks = Landmarks(points, confidence, jnp.eye(2))
    converted = in_scheme(lambda variables, images: landmarks, WFLW_98, W300_68)({}, None)
    np.testing.assert_array_equal(converted.points, convert(points, WFLW_98, W300_68))
    np.testing.assert_array_equal(converted.gates, np.eye(2))
    if has_confidence:
        np.testing.assert_array_equal(converted.confidence, converted.points[..., 0])
    else:
        assert converted.confidence is None


def test_a_conversion_that_does_not_exist_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="aflw_19 cannot be converted to w300_68"):
        in_scheme(lambda variables, images: None, AFLW_19, W300_68)
