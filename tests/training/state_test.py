"""The training state: its creation on a mesh, other weights in it, its moving average and its table."""

import jax
import numpy as np
import pytest
from made_networks import made_dsat

from dsat_jax.config import default
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state

SIZE = 32


@pytest.fixture(scope="module")
def arguments():
    """Model, optimiser and side of the input."""
    model = made_dsat(num_points=5, num_boundaries=0, width=8, stacks=0, gate="none")
    return model, optimizer.make_optimizer(default().optimizer, 10), SIZE


@pytest.fixture(scope="module")
def created(arguments):
    return state.create_on(sharding.make_mesh(), *arguments, seed=3)


def test_a_state_on_a_mesh_is_that_of_its_seed_and_fits_its_template(arguments, created):
    mesh = sharding.make_mesh()
    expected = state.create(*arguments, jax.random.key(3))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), created, expected)
    template = state.template(mesh, *arguments)
    jax.tree.map(lambda leaf, abstract: check_like(leaf, abstract), created, template)
    assert state.template(mesh, *arguments) is template


def check_like(leaf: jax.Array, abstract: jax.ShapeDtypeStruct) -> None:
    assert (leaf.shape, leaf.dtype, leaf.sharding) == (abstract.shape, abstract.dtype, abstract.sharding)


def test_the_average_of_a_new_state_is_a_copy_of_its_variables(created):
    assert int(created.step) == 0
    variables = {"params": created.params, "batch_stats": created.batch_stats}
    jax.tree.map(np.testing.assert_array_equal, created.ema, variables)
    pairs = zip(jax.tree.leaves(created.ema), jax.tree.leaves(variables), strict=True)
    assert all(one.unsafe_buffer_pointer() != other.unsafe_buffer_pointer() for one, other in pairs)


def test_other_weights_replace_only_the_parts_that_they_name(created):
    head = jax.tree.map(lambda leaf: np.full(leaf.shape, 7.0, leaf.dtype), created.params["head_conv"])
    changed = state.with_variables(created, {"params": {"head_conv": head}, "batch_stats": {}})
    for params in (changed.params, changed.ema["params"]):
        jax.tree.map(np.testing.assert_array_equal, params["head_conv"], head)
        jax.tree.map(np.testing.assert_array_equal, params["stem_conv"], created.params["stem_conv"])
    jax.tree.map(np.testing.assert_array_equal, changed.batch_stats, created.batch_stats)


def test_moving_average_by_hand():
    ema = state.update_ema({"params": np.float32(1.0)}, {"params": np.float32(3.0)}, 0.999, np.int32(0))
    assert float(ema["params"]) == pytest.approx(0.1 * 1 + 0.9 * 3)  # the decay starts at 1 / 10
    ema = state.update_ema({"params": np.float32(1.0)}, {"params": np.float32(3.0)}, 0.9, np.int32(10**6))
    assert float(ema["params"]) == pytest.approx(0.9 * 1 + 0.1 * 3)


def test_parameter_table_adds_up(created):
    lines = state.parameter_table(created.params).splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines]
    assert [line.split()[0] for line in lines] == [*created.params, "parameters"]
    assert sum(counts[:-1]) == counts[-1] == sum(leaf.size for leaf in jax.tree.leaves(created.params))
