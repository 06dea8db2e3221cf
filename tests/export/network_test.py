"""The signature of exported networks."""

import jax.numpy as jnp
import numpy as np

from dsat_jax.export.network import as_network
from dsat_jax.inference.landmarks import Landmarks

VARIABLES = {"params": {"b": jnp.array([1.0]), "a": jnp.array([10.0])}}


def forward(variables, images):
    params = variables["params"]
    return Landmarks(images * params["a"] + params["b"], None, images > 0)


def test_weights_are_taken_by_name_in_any_order_and_empty_results_are_left_out():
    weights = {"params/b": jnp.array([2.0]), "params/a": jnp.array([3.0])}
    results = as_network(forward, VARIABLES)(weights, jnp.array([5.0]))
    assert list(results) == ["points", "gates"]
    np.testing.assert_array_equal(results["points"], [17.0])
