"""The training step: accumulation over parts of a batch, and steps that are not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import synthetic
from dsat_jax import models
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.training_step import Gradients, _accumulated, make_training_step


def recorded_gradients(params, batch_stats, batch, key) -> Gradients:
    """Returns values that depend on parameters, rows, earlier parts and key in a way that can be calculated by hand."""
    sample = jax.random.uniform(key)
    gradient = {"a": params["a"] * batch["points"].mean() + batch_stats}
    return Gradients(gradient, batch_stats + 1.0, {"loss": batch["points"].mean() + sample})


def test_parts_of_a_batch_add_up():
    rows = jnp.arange(8.0).reshape(8, 1, 1)
    key = jax.random.key(3)
    accumulated = _accumulated(recorded_gradients, 4)(
        {"a": jnp.array(2.0)}, jnp.zeros(()), {"points": rows}, key
    )
    # Part i has the rows i and 4 + i, whose mean is 2 + i; before it the statistics have grown to i.
    np.testing.assert_allclose(accumulated.gradients["a"], np.mean([2.0 * (2 + i) + i for i in range(4)]))
    assert accumulated.batch_stats == 4.0
    samples = [jax.random.uniform(part) for part in jax.random.split(key, 4)]
    np.testing.assert_allclose(accumulated.scalars["loss"], 3.5 + np.mean(samples), rtol=1e-6)


def test_one_part_is_the_function_itself():
    assert _accumulated(recorded_gradients, 1) is recorded_gradients


@pytest.fixture(scope="module")
def config():
    config = synthetic.get_config()
    config.input.size = 32
    config.model.update(width=8, stacks=0)  # stem, gate and head: they compile fast
    config.optimizer.update(warmup_steps=0)
    config.train.update(batch_size=4, steps=10, not_finite="skip")
    return config


def batch(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "image": rng.uniform(0, 255, (4, 32, 32, 3)).astype(np.float32),
        "points": rng.uniform(4, 28, (4, 98, 2)).astype(np.float32),
        "weights": np.ones((4, 98), np.float32),
        "damaged": np.zeros(4, bool),
    }


def test_a_step_that_is_not_finite_changes_nothing(config):
    config.train.accumulate = 2  # the NaN is in one part only
    model, mesh = models.build_for(config), sharding.make_mesh()
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    step = make_training_step(model, transform, config, mesh)
    current, scalars = step(state.create_on(mesh, model, transform, 32, seed=0), batch(0))
    assert scalars["skipped"] == 0
    before = jax.tree.map(np.array, current)

    poisoned = batch(1)
    poisoned["image"][2, 5, 7, 0] = np.nan
    current, scalars = step(current, poisoned)
    assert scalars["skipped"] == 1
    assert not np.isfinite(scalars["loss"])
    assert int(current.step) == 2
    for name in ("params", "batch_stats", "opt_state", "ema"):
        jax.tree.map(np.testing.assert_array_equal, getattr(current, name), getattr(before, name))

    current, scalars = step(current, batch(2))
    assert scalars["skipped"] == 0
    assert np.isfinite(scalars["loss"])
    moved = [
        np.abs(np.array(new) - old).max()
        for new, old in zip(jax.tree.leaves(current.params), jax.tree.leaves(before.params), strict=True)
    ]
    assert max(moved) > 0


def test_an_unknown_treatment_of_such_steps_is_refused(config):
    other = config.copy_and_resolve_references()
    other.train.not_finite = "ignore"
    with pytest.raises(
        ValueError, match=r"unknown config\.train\.not_finite 'ignore', expected one of stop, skip"
    ):
        make_training_step(None, None, other, None)
