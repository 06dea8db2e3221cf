"""Schedules and optimisers, compared with calculations by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax.config import default
from dsat_jax.training import optimizer


def configured(**fields):
    config = default().optimizer
    config.update(learning_rate=0.1, warmup_steps=0, **fields)
    return config


def test_step_schedule_halves_as_the_released_code():
    schedule = optimizer.make_schedule(configured(schedule="step", step_at=(0.4, 0.8), step_factor=0.5), 100)
    np.testing.assert_allclose([schedule(step) for step in (0, 39, 40, 80)], [0.1, 0.1, 0.05, 0.025])


def test_step_schedule_of_lotr_divides_by_ten_at_half_and_three_quarters():
    schedule = optimizer.make_schedule(
        configured(schedule="step", step_at=(0.5, 0.75), step_factor=0.1), 1000
    )
    np.testing.assert_allclose(
        [schedule(step) for step in (499, 500, 749, 750)], [0.1, 0.01, 0.01, 0.001], rtol=1e-5
    )


def test_the_warm_up_is_part_of_the_run():
    config = configured(schedule="step", step_at=(0.5, 0.75), step_factor=0.1)
    config.warmup_steps = 100
    schedule = optimizer.make_schedule(config, 1000)
    rates = [float(schedule(step)) for step in (50, 100, 499, 500, 750)]
    np.testing.assert_allclose(rates, [0.05, 0.1, 0.1, 0.01, 0.001], rtol=1e-5)


def test_drops_that_fall_on_one_step_all_count():
    config = configured(schedule="step", step_at=(0.5, 0.501), step_factor=0.1)
    assert float(optimizer.make_schedule(config, 10)(5)) == pytest.approx(0.001)


@pytest.mark.parametrize("field", ["name", "schedule"])
def test_an_unknown_name_is_refused_with_the_known_ones(field):
    with pytest.raises(ValueError, match=r"unknown \w+ 'sgd', expected one of"):
        optimizer.make_optimizer(configured(**{field: "sgd"}), 10)


def test_cosine_ends_at_zero_after_its_warm_up():
    config = configured(schedule="cosine")
    config.warmup_steps = 10
    schedule = optimizer.make_schedule(config, 110)
    rates = [float(schedule(step)) for step in (0, 5, 10, 60, 110)]
    np.testing.assert_allclose(rates, [0.0, 0.05, 0.1, 0.05, 0.0], atol=1e-7)


def test_constant_schedule():
    assert float(optimizer.make_schedule(configured(schedule="constant"), 10)(9)) == pytest.approx(0.1)


def test_weight_decay_pulls_kernels_but_neither_biases_nor_scales_even_stacked():
    transform = optimizer.make_optimizer(configured(schedule="constant", weight_decay=0.5), 10)
    params = {name: jnp.ones((2, 2)) for name in ("kernel", "position", "scale", "bias")}
    zero = {name: jnp.zeros((2, 2)) for name in params}
    updates, _ = transform.update(zero, transform.init(params), params)
    for name, expected in {"kernel": -0.05, "position": -0.05, "scale": 0.0, "bias": 0.0}.items():
        np.testing.assert_allclose(updates[name], expected, err_msg=name)


def test_first_adam_step_is_the_learning_rate_whatever_the_gradient():
    transform = optimizer.make_optimizer(configured(name="adam", schedule="constant", clip_norm=1.0), 10)
    params = {"x": jnp.zeros(3)}
    updates, _ = transform.update({"x": jnp.array([100.0, -1.0, 5.0])}, transform.init(params), params)
    np.testing.assert_allclose(updates["x"], [-0.1, 0.1, -0.1], rtol=1e-4)


def test_first_lamb_step_is_the_learning_rate_times_the_size_of_each_array():
    """LAMB scales Adam's first step, +-1 for each number, so that |step| = learning rate * |array|."""
    config = configured(name="lamb", schedule="constant", weight_decay=0.0)
    transform = optimizer.make_optimizer(config, 10)
    params = {"large": jnp.array([30.0, 40.0]), "small": jnp.array([0.3, 0.4])}
    gradients = {"large": jnp.array([1.0, -5.0]), "small": jnp.array([7.0, 1.0])}
    updates, _ = transform.update(gradients, transform.init(params), params)
    half = 0.5**0.5
    np.testing.assert_allclose(updates["large"], [-5 * half, 5 * half], rtol=1e-4)
    np.testing.assert_allclose(updates["small"], [-0.05 * half, -0.05 * half], rtol=1e-4)


@pytest.mark.parametrize("name", sorted(optimizer.OPTIMIZERS))
def test_the_backbone_has_a_separate_learning_rate(name):
    params = {"backbone": {"kernel": jnp.ones((2, 2))}, "head": {"kernel": jnp.ones((2, 2))}}
    gradients = {"backbone": {"kernel": jnp.full((2, 2), 3.0)}, "head": {"kernel": jnp.full((2, 2), 3.0)}}
    transform = optimizer.make_optimizer(
        configured(name=name, schedule="constant", weight_decay=0.5, backbone_factor=0.1), 10
    )
    updates, _ = transform.update(gradients, transform.init(params), params)
    np.testing.assert_allclose(updates["backbone"]["kernel"], 0.1 * updates["head"]["kernel"], rtol=1e-5)
    with pytest.raises(ValueError, match=r"backbone_factor is not 1, but the model has no backbone"):
        transform.init({"head": params["head"]})
