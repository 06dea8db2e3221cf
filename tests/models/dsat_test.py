import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import traverse_util

from dsat_jax import models
from dsat_jax.models.dsat import DSAT
from dsat_jax.torch_import import torch_entries

SMALL = DSAT(num_points=3, num_boundaries=2, width=8, stacks=1, transformer_layers=1, heads=2, gate="learned")


def init_small(model: DSAT, side: int = 32) -> dict:
    return jax.jit(functools.partial(model.init, train=False))(
        jax.random.key(0), jnp.zeros((2, side, side, 3))
    )


@pytest.fixture(scope="module")
def small_variables() -> dict:
    return init_small(SMALL)


def test_evaluation_matches_the_released_network(golden, golden_model, golden_variables):
    prediction = jax.jit(functools.partial(golden_model.apply, train=False))(golden_variables, golden["x"])
    np.testing.assert_allclose(prediction.heatmaps, golden["eval/heatmaps"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(prediction.gates, golden["eval/gate"])


@pytest.fixture(scope="module")
def train_golden(golden, golden_model, golden_variables):
    """A function of the gate's coin: one training step of the golden network with the recorded noise."""

    def loss(params, images, soft):
        def recorded_draw(next_method, args, kwargs, context):
            if context.method_name == "draw":
                return golden["noise"], soft
            return next_method(*args, **kwargs)

        variables = {"params": params, "batch_stats": golden_variables["batch_stats"]}
        with nn.intercept_methods(recorded_draw):
            prediction, updates = golden_model.apply(variables, images, train=True, mutable=["batch_stats"])
        value = jnp.mean(jnp.square(prediction.heatmaps - golden["y"]))
        return value, (prediction, updates["batch_stats"])

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    return lambda soft: step(golden_variables["params"], golden["x"], soft)


@pytest.mark.parametrize("branch", ["soft", "hard"])
def test_training_step_matches_the_released_network(golden, train_golden, branch):
    (loss, (prediction, batch_stats)), (grads, grad_input) = train_golden(jnp.array(branch == "soft"))
    run = f"train_{branch}/"
    np.testing.assert_allclose(loss, golden[run + "loss"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.gates, golden[run + "gate"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.heatmaps, golden[run + "heatmaps"], rtol=0, atol=1e-3)

    expected = golden[run + "grad_input"]
    assert jnp.linalg.norm(grad_input - expected) < 1e-3 * jnp.linalg.norm(expected)
    assert_entries_close(
        {"params": grads}, golden.under(run + "grad_norm/"), rtol=1e-3, atol=0, measure=np.linalg.norm
    )
    # PyTorch's running variance is the unbiased one; over these 8192 values and more, that is within 1e-5.
    assert_entries_close({"batch_stats": batch_stats}, golden.under(run + "bn_after/"), rtol=0, atol=1e-5)


def assert_entries_close(variables, expected, rtol, atol, measure=np.asarray):
    """Compares the parts of Flax arrays with recorded values under PyTorch's names; all of them must occur."""
    seen = {}
    for path, array in traverse_util.flatten_dict(variables).items():
        for name, index in torch_entries(path, array.shape):
            seen[name] = measure(np.asarray(array[index], np.float64).squeeze())
    assert expected
    for name, value in expected.items():
        np.testing.assert_allclose(seen[name], value, rtol=rtol, atol=atol, err_msg=name)


def test_full_network_has_the_released_number_of_parameters():
    model = models.build(models.default_dsat(), num_points=68, num_boundaries=13)
    images = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    variables = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 181_179_136
    prediction = jax.eval_shape(functools.partial(model.apply, train=False), variables, images)
    assert prediction.heatmaps.shape == (1, 128, 128, 81)
    assert prediction.points.shape == (1, 68, 2)
    assert prediction.gates.shape == (1, 256)
