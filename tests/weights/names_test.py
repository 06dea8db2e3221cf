"""Names of arrays: their paths in the variables of a model, in JAX's order."""

import jax
import numpy as np

from dsat_jax.weights.names import by_name


def test_names_are_the_paths_of_the_arrays():
    variables = {
        "params": {"stem": {"kernel": np.ones(2), "bias": np.zeros(1)}},
        "batch_stats": {"mean": np.ones(3)},
    }
    named = by_name(variables)
    assert list(named) == ["batch_stats/mean", "params/stem/bias", "params/stem/kernel"]
    assert named["params/stem/kernel"] is variables["params"]["stem"]["kernel"]


def test_the_order_is_that_of_the_leaves():
    """Readers rebuild the variables from the structure and the named arrays."""
    variables = {"params": {"b": np.ones(1), "a": np.zeros(2)}}
    rebuilt = jax.tree.unflatten(jax.tree.structure(variables), by_name(variables).values())
    jax.tree.map(np.testing.assert_array_equal, rebuilt, variables)


def test_shapes_have_names_too():
    shapes = jax.eval_shape(lambda: {"params": {"kernel": np.zeros((2, 3))}})
    assert by_name(shapes)["params/kernel"].shape == (2, 3)
