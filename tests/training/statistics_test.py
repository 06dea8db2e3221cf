"""The faces over which BatchNorm takes its statistics: those of the whole batch, or those of each device."""

import os
import subprocess
import sys

import pytest

COMPARISON = """
import jax
import jax.numpy as jnp
import numpy as np
from configs import synthetic
from dsat_jax import models
from dsat_jax.runtime import sharding
from dsat_jax.training import training_step

config = synthetic.get_config()
config.model.update(width=8, stacks=0)  # stem, gate and head
model, mesh = models.build_for(config), sharding.make_mesh()
variables = models.initial_variables(model, 32, jax.random.key(0))
weights, key = variables["params"], jax.random.key(7)
rng = np.random.default_rng(0)
batch = {
    "image": jnp.array(rng.normal(size=(8, 32, 32, 3)) * np.arange(1, 9)[:, None, None, None], jnp.float32),
    "points": jnp.array(rng.uniform(4, 28, (8, 98, 2)), jnp.float32),
    "weights": jnp.ones((8, 98)),
}
single = jax.jit(training_step._make_gradients(model, config))


def on_both(statistics):
    over = training_step.STATISTICS[statistics](training_step._make_gradients(model, config), mesh, jnp.float32)
    placed = jax.device_put(batch, sharding.split_batch(mesh))
    return jax.jit(over)(weights, variables["batch_stats"], placed, key)


def check(result, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5), result, expected)


halves = [
    single(
        weights,
        variables["batch_stats"],
        {name: rows[4 * i : 4 * i + 4] for name, rows in batch.items()},
        jax.random.fold_in(key, i),
    )
    for i in range(2)
]
check(on_both("device"), jax.tree.map(lambda a, b: (a + b) / 2, *halves))
check(on_both("batch"), single(weights, variables["batch_stats"], batch, key))
whole, parts = on_both("batch").batch_stats, on_both("device").batch_stats
differ = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), whole, parts)
assert max(jax.tree.leaves(differ)) > 1e-3, differ
"""


@pytest.mark.slow
def test_statistics_on_two_devices():
    """With "device", a step has the mean of the results for each device's faces; with "batch", that of one device."""
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", COMPARISON], env=environment, check=True)
