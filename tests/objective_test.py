"""The weighted sum that training minimises, on predictions small enough to work out by hand."""

import jax.numpy as jnp
import pytest

from dsat_jax import config as run_config, objective
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import SCHEMES

SCHEME = SCHEMES["w300_68"]
LABELS, KNOWN = jnp.zeros((1, 68, 2)), jnp.ones((1, 68))


def configured(**weights):
    config = run_config.default()
    config.loss.update(heatmap=0.0, coordinates=0.0, penalty="l1", **weights)
    return config


def shifted(*distances: float) -> jnp.ndarray:
    """Points that are all so far to the right of their labels, one set for each decoder layer: [1, layers, 68, 2]."""
    return jnp.stack([LABELS[0].at[:, 0].set(distance) for distance in distances])[None]


def test_the_points_of_earlier_layers_count_with_a_weight_of_their_own():
    prediction = Prediction(points=shifted(1.0)[:, 0], auxiliary_points=shifted(2.0, 3.0))
    config = configured(auxiliary=0.5)
    config.loss.coordinates = 10.0
    loss, parts = objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)
    assert parts["coordinates"] == pytest.approx(68 * 1.0)
    assert parts["auxiliary"] == pytest.approx(68 * (2.0 + 3.0))
    assert loss == pytest.approx(10 * 68 + 0.5 * 68 * 5)


def test_dsat_trains_on_coordinates_alone():
    """Smooth-Wing on the points that its heatmaps decode to needs no heatmap loss."""
    config = configured()
    config.loss.update(coordinates=1.0, penalty="smooth_wing")
    prediction = Prediction(points=shifted(12.0)[:, 0], heatmaps=jnp.zeros((1, 8, 8, 81)))
    loss, parts = objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)
    assert set(parts) == {"coordinates"}
    assert loss == pytest.approx(68 * 23.47111388)  # see the values of smooth-Wing in losses_test.py


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"auxiliary": 1.0}, "no layer before the model's last predicts points"),
        ({"sparsity": 1.0}, "the model has no gate"),
        ({}, "nothing to minimise"),
    ],
)
def test_a_weight_on_what_the_model_lacks_is_refused(weights, message):
    prediction = Prediction(points=LABELS, auxiliary_points=jnp.zeros((1, 0, 68, 2)))
    with pytest.raises(ValueError, match=message):
        objective.total_loss(prediction, LABELS, KNOWN, configured(**weights), SCHEME)
    config = configured(**weights)
    config.loss.heatmap = 1.0
    with pytest.raises(ValueError, match="the model predicts no heatmaps"):
        objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)
