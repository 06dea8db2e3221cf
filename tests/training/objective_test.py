"""The training objective on predictions small enough for a calculation by hand."""

import jax
import jax.numpy as jnp
import pytest
from made_networks import made_dsat

from dsat_jax.config import default
from dsat_jax.models.prediction import Prediction
from dsat_jax.schemes import SCHEMES
from dsat_jax.training import objective

SCHEME = SCHEMES["w300_68"]
LABELS, KNOWN = jnp.zeros((1, 68, 2)), jnp.ones((1, 68))


def configured(**weights):
    config = default()
    config.loss.update(heatmap=0.0, coordinates=0.0, penalty="l1", **weights)
    return config


def shifted(*distances: float) -> jnp.ndarray:
    """Returns points at these distances to the right of their labels, one per decoder layer: [1, layers, 68, 2]."""
    return jnp.stack([LABELS[0].at[:, 0].set(distance) for distance in distances])[None]


def test_the_points_of_earlier_layers_have_a_separate_weight():
    prediction = Prediction(points=shifted(1.0)[:, 0], auxiliary_points=shifted(2.0, 3.0))
    config = configured(auxiliary=0.5)
    config.loss.coordinates = 10.0
    loss, parts = objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)
    assert parts["coordinates"] == pytest.approx(68 * 1.0)
    assert parts["auxiliary"] == pytest.approx(68 * (2.0 + 3.0))
    assert loss == pytest.approx(10 * 68 + 0.5 * 68 * 5)


def test_heatmaps_learn_from_coordinates_alone():
    """Smooth-Wing on the decoded points has gradients for the heatmaps of landmarks, and only for those."""
    model = made_dsat(num_points=68, num_boundaries=13, width=8, stacks=0, gate="none", upsample=False)
    images = jax.random.normal(jax.random.key(0), (1, 32, 32, 3))
    variables = model.init(jax.random.key(1), images, train=False)
    config = configured()
    config.loss.update(coordinates=1.0, penalty="smooth_wing")

    def loss(params: dict) -> jax.Array:
        prediction = model.apply(variables | {"params": params}, images, train=False)
        return objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)[0]

    d_params = jax.grad(loss)(variables["params"])
    d_kernel = d_params["head_conv"]["kernel"]  # [3, 3, channels, landmarks + boundaries]
    assert (jnp.abs(d_kernel).max(axis=(0, 1, 2))[:68] > 0).all()
    assert (d_kernel[..., 68:] == 0).all()


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


def test_a_heatmap_loss_without_heatmaps_is_refused():
    prediction, config = Prediction(points=LABELS), configured()
    config.loss.heatmap = 1.0
    with pytest.raises(ValueError, match="the model predicts no heatmaps"):
        objective.total_loss(prediction, LABELS, KNOWN, config, SCHEME)


def test_an_unknown_penalty_is_refused_with_the_known_ones():
    config = configured()
    config.loss.update(coordinates=1.0, penalty="L1")
    with pytest.raises(
        ValueError, match="unknown penalty 'L1', expected one of l1, l2, smooth_l1, wing, smooth_wing"
    ):
        objective.total_loss(Prediction(points=LABELS), LABELS, KNOWN, config, SCHEME)
