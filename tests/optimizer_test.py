"""Schedules and optimisers against numbers worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import config as run_config, optimizer


def configured(**fields):
    config = run_config.default().optimizer
    config.update(learning_rate=0.1, warmup_steps=0, **fields)
    return config


def test_step_schedule_halves_as_the_released_code():
    schedule = optimizer.make_schedule(configured(schedule="step", step_every=40, step_factor=0.5), 100)
    np.testing.assert_allclose([schedule(step) for step in (0, 39, 40, 80)], [0.1, 0.1, 0.05, 0.025])


def test_cosine_ends_at_zero_after_its_warm_up():
    config = configured(schedule="cosine")
    config.warmup_steps = 10
    schedule = optimizer.make_schedule(config, 110)
    found = [float(schedule(step)) for step in (0, 5, 10, 60, 110)]
    np.testing.assert_allclose(found, [0.0, 0.05, 0.1, 0.05, 0.0], atol=1e-7)


def test_constant_schedule():
    assert float(optimizer.make_schedule(configured(schedule="constant"), 10)(9)) == pytest.approx(0.1)


def test_weight_decay_pulls_matrices_but_not_vectors():
    transform = optimizer.make_optimizer(configured(schedule="constant", weight_decay=0.5), 10)
    params = {"kernel": jnp.ones((2, 2)), "scale": jnp.ones(2)}
    zero = {"kernel": jnp.zeros((2, 2)), "scale": jnp.zeros(2)}
    updates, _ = transform.update(zero, transform.init(params), params)
    np.testing.assert_allclose(updates["kernel"], -0.05)
    np.testing.assert_allclose(updates["scale"], 0.0)


def test_first_adam_step_is_the_learning_rate_whatever_the_gradient():
    transform = optimizer.make_optimizer(configured(name="adam", schedule="constant", clip_norm=1.0), 10)
    params = {"x": jnp.zeros(3)}
    updates, _ = transform.update({"x": jnp.array([100.0, -1.0, 5.0])}, transform.init(params), params)
    np.testing.assert_allclose(updates["x"], [-0.1, 0.1, -0.1], rtol=1e-4)
