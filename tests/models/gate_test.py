import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from dsat_jax.models import gate


@pytest.fixture(scope="module")
def maps() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (6, 8, 8, 8))


@pytest.fixture(scope="module")
def learned_variables(maps) -> dict:
    return jax.jit(functools.partial(gate.LearnedGate().init, train=False))(jax.random.key(1), maps)


def with_draw(noise, soft):
    """Replaces the noise and the gate samples of a training step."""

    def draw(next_method, args, kwargs, context):
        return (noise, soft) if context.method_name == "draw" else next_method(*args, **kwargs)

    return nn.intercept_methods(draw)


def test_saturating_sigmoid_by_hand():
    # 1.2 sigmoid - 0.1 crosses 0 and 1 where the sigmoid is 1/12 and 11/12, at -log(11) and log(11).
    x = jnp.array([-10.0, -np.log(11) - 0.01, 0.0, np.log(3), np.log(11) + 0.01, 10.0])
    np.testing.assert_allclose(gate.saturating_sigmoid(x), [0, 0, 0.5, 0.8, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [(gate.straight_through, 1.2), (gate.doubled_straight_through, 2.2)],
)
def test_hard_gates_have_the_gradient_of_the_sigmoids(function, expected):
    value, gradient = jax.value_and_grad(function)(jnp.log(3.0))  # sigmoid 3/4, its slope 3/16
    assert value == 1.0
    np.testing.assert_allclose(gradient, expected * 3 / 16, rtol=1e-5)
    value, gradient = jax.value_and_grad(function)(-jnp.log(3.0))
    assert value == 0.0
    np.testing.assert_allclose(gradient, expected * 3 / 16, rtol=1e-5)


def test_released_gate_matches_the_released_network(golden):
    """The recorded hourglass follows the gate, so that its input is the gated map."""
    gated, gates = gate.ReleasedGate().apply({}, golden["eval/stem/out0"], train=False)
    np.testing.assert_array_equal(gates, golden["eval/gate"])
    np.testing.assert_allclose(gated, golden["eval/hourglass_1/in0"], rtol=0, atol=1e-6)


def test_released_gate_has_no_parameters_and_doubles_channels():
    x = jnp.stack([jnp.full((2, 2), 3.0), jnp.full((2, 2), -3.0)], axis=-1)[None]
    assert not gate.ReleasedGate().init(jax.random.key(0), x, train=False)
    gated, gates = gate.ReleasedGate().apply({}, x, train=False)
    np.testing.assert_array_equal(gates, [[1, 0]])
    np.testing.assert_array_equal(gated[0, 0, 0], [6, -3])


def test_released_gate_draws_one_gate_sample_for_the_batch(maps):
    """Only soft gates have values between 0 and 1. Both kinds occur over the keys."""
    kinds = set()
    for seed in range(12):
        _, gates = gate.ReleasedGate().apply({}, maps, train=True, rngs={"gate": jax.random.key(seed)})
        soft = jnp.any((gates > 0) & (gates < 1), axis=1)
        assert soft.all() or not soft.any()
        kinds.add(bool(soft.any()))
    assert kinds == {True, False}


def test_learned_gate_draws_a_gate_sample_for_each_face():
    draw = nn.apply(lambda module: module.draw(64, 8), gate.LearnedGate())
    noise, gate_samples = draw({}, rngs={"gate": jax.random.key(0)})
    assert noise.shape == (64, 8)
    assert gate_samples.shape == (64, 1)
    assert 16 < gate_samples.sum() < 48


def test_learned_gate_closes_channels(maps, learned_variables):
    """Noise larger than the logits opens the first half of the channels and closes the others."""
    noise = jnp.where(jnp.arange(8) < 4, 50.0, -50.0) * jnp.ones((6, 1))
    for soft in (False, True):
        with with_draw(noise, jnp.full((6, 1), soft)):
            (gated, gates), _ = gate.LearnedGate().apply(
                learned_variables, maps, train=True, mutable=["batch_stats"]
            )
        np.testing.assert_array_equal(gates, [[1, 1, 1, 1, 0, 0, 0, 0]] * 6)
        np.testing.assert_array_equal(gated[..., :4], maps[..., :4])
        np.testing.assert_array_equal(gated[..., 4:], 0)


def test_the_gate_sample_selects_soft_or_hard_gates(maps, learned_variables):
    gate_samples = jnp.array([True, False, True, False, True, False])[:, None]
    with with_draw(jnp.full((6, 8), -2.0), gate_samples):
        (_, gates), _ = gate.LearnedGate().apply(learned_variables, maps, train=True, mutable=["batch_stats"])
    is_hard = jnp.all((gates == 0) | (gates == 1), axis=1)
    np.testing.assert_array_equal(is_hard, ~gate_samples[:, 0])


def test_learned_gate_starts_open_and_evaluates_hard_without_noise(maps, learned_variables):
    gated, gates = gate.LearnedGate().apply(learned_variables, maps, train=False)
    assert set(np.unique(gates)) <= {0.0, 1.0}
    assert gates.mean() > 0.9
    np.testing.assert_array_equal(gated, maps * gates[:, None, None])


def test_openness_can_be_trained(maps, learned_variables):
    """The mean of the applied gates has a gradient in the head, and a gradient step closes gates."""

    def openness(params, noise, soft):
        with with_draw(noise, soft):
            (_, gates), _ = gate.LearnedGate().apply(
                learned_variables | {"params": params}, maps, train=True, mutable=["batch_stats"]
            )
        return gates.mean()

    noise, hard = jax.random.normal(jax.random.key(2), (6, 8)), jnp.zeros((6, 1), bool)
    value_and_grad = jax.jit(jax.value_and_grad(openness))
    params = learned_variables["params"]
    before, gradient = value_and_grad(params, noise, hard)
    assert jnp.linalg.norm(gradient["hidden"]["kernel"]) > 0
    params = jax.tree.map(lambda p, g: p - 20.0 * g, params, gradient)
    assert value_and_grad(params, noise, hard)[0] < before
