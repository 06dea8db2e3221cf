"""Sheets of attention and heatmaps."""

import functools
import types

import cv2
import jax
import numpy as np
import pytest

from configs import synthetic
from dsat_jax import models, schemes
from dsat_jax.config import default_lotr
from dsat_jax.inference import explain
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.models.prediction import Prediction
from dsat_jax.runtime import sharding

pytestmark = pytest.mark.usefixtures("tiny_backbones")
BOX = np.array([30.0, 20.0, 90.0, 100.0])


def made_explainer(model: str, scheme: str) -> explain.Explainer:
    config = synthetic.get_config()
    config.data.scheme = scheme
    config.input.size = 32
    if model == "dsat":
        config.model.update(width=8, stacks=1, transformer_layers=1, heads=2)
    else:
        config.model = default_lotr()
        config.model.update(dim=8, heads=2, feed_forward=8, head_width=8, encoder_layers=1, upsamplings=1)
    module = models.build_for(config)
    init = jax.jit(functools.partial(module.init, train=False))
    variables = init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32))
    return explain.Explainer(TrainedNetwork(config, module, variables, sharding.make_mesh()))


@pytest.mark.parametrize(
    ("model", "scheme", "kind", "rows"),
    [("dsat", "wflw_98", "heatmaps", 2), ("lotr", "w300_68", "attention", 2)],
)
def test_each_face_has_a_sheet(tmp_path, model, scheme, kind, rows):
    explainer = made_explainer(model, scheme)
    image = np.random.default_rng(0).integers(0, 255, (120, 110, 3), np.uint8)
    written = explain.write(explainer, [FaceCrop(image, BOX), FaceCrop(image, BOX + 5)], tmp_path / "photo.1")
    assert [path.name for path in written] == [f"photo.1_{kind}.png", f"photo.1.face1_{kind}.png"]
    sheet = cv2.imread(str(written[0]))
    assert sheet.shape == (392 + rows * 168, 3 * 392, 3)
    crop = sheet[:392, :392]
    assert np.ptp(crop.astype(int), axis=-1).max() > 50  # the crop is in colour, the maps are over grey


def test_a_rolled_face_is_upright_in_its_sheet():
    """The crop of a face and that of a face turned by a right angle, about the centre of a square image, are equal."""
    explainer = made_explainer("dsat", "wflw_98")
    image = np.random.default_rng(0).integers(0, 255, (101, 101, 3), np.uint8)
    box = np.array([20.0, 20.0, 80.0, 80.0])
    upright = explainer(FaceCrop(image, box))
    turned = explainer(FaceCrop(np.ascontiguousarray(np.rot90(image, -1)), box, np.pi / 2))
    assert np.abs(turned.astype(int) - upright).mean() < 1
    ignored = explainer(FaceCrop(np.ascontiguousarray(np.rot90(image, -1)), box))
    assert np.abs(ignored.astype(int) - upright).mean() > 10


def test_parts_of_a_scheme_without_boundaries_are_its_lines():
    scheme = schemes.AFLW_19
    assert len(explain._parts(schemes.W300_68)) == 13
    parts = explain._parts(scheme)
    assert list(parts.values()) == list(scheme.boundaries or scheme.lines)


def test_a_peak_of_the_map_is_drawn_at_its_position():
    """A peak in the upper right quarter of the map is bright there, and the other quarters stay dark."""
    values = np.zeros((8, 8), np.float32)
    values[1, 6] = 3.0
    tile = explain._overlaid(np.zeros((64, 64, 3), np.uint8), values)
    y, x = np.unravel_index(tile.sum(axis=-1).argmax(), (64, 64))
    # Pixel (6, 1) of 8 covers pixels 48..55, 8..15 of 64.
    assert 48 <= x < 56
    assert 8 <= y < 16
    assert tile[32:].max() <= 12
    assert tile[:, :32].max() <= 12


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["landmark 0", "landmark 1", "landmark 2"]),
        ({"lines": [[0, 1, 2]]}, ["line 1"]),
        ({"boundaries": [[0, 1], [2]]}, ["boundary 1", "boundary 2"]),
    ],
)
def test_custom_schemes_have_parts(fields, names):
    description = {"name": "three", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}
    assert list(explain._parts(schemes.read_scheme(description | fields, "here"))) == names


def test_landmarks_read_by_soft_argmax_are_shown_by_their_mass():
    """The weights exp(10 h) - 1 of two landmarks, each divided by its sum; the other landmarks have empty heatmaps."""
    scheme, config = schemes.W300_68, synthetic.get_config()
    heatmaps = np.zeros((1, 8, 8, scheme.num_points + len(scheme.boundaries)), np.float32)
    heatmaps[0, 1, 6, 0] = 0.7
    heatmaps[0, 2, 3, 1], heatmaps[0, 5, 4, 1] = 0.5, 0.25
    model = types.SimpleNamespace(apply=lambda variables, images, train: Prediction(None, heatmaps, None))
    _, overviews, _ = explain._heatmaps(model, config, scheme, {}, np.zeros((1, 32, 32, 3), np.uint8))
    first, second = np.exp(5) - 1, np.exp(2.5) - 1
    expected = np.zeros((8, 8))
    expected[1, 6], expected[2, 3], expected[5, 4] = 1, first / (first + second), second / (first + second)
    found = overviews["all landmarks, mass of soft-argmax"]
    np.testing.assert_allclose(found, expected / scheme.num_points, rtol=1e-5)
