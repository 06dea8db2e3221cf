"""Training steps of the full-size networks of the configurations: `pytest -m slow tests/full_size_test.py`."""

import resource

import jax
import numpy as np
import pytest

from configs import w300
from dsat_jax import models
from dsat_jax.inference.forward import jit_forward
from dsat_jax.runtime import sharding
from dsat_jax.schemes import SCHEMES
from dsat_jax.training import loop, optimizer, state

MEMORY = 24 * 2**30  # bytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "batch", "side"),
    [
        ("dsat-released", None, 128),
        ("dsat", None, 128),
        ("lotr-m+", 2, 192),
        ("lotr-r+", 2, 192),
        ("lotr-hr+", 2, 256),
    ],
)
def test_two_training_steps_and_an_evaluation_step_fit_in_24_gb(variant, batch, side):
    config = w300.get_config(variant)
    batch = batch or config.train.batch_size
    assert config.input.size == side
    points = SCHEMES[config.data.scheme].num_points
    size = config.input.size
    rng = np.random.default_rng(0)
    faces = {
        "image": rng.integers(0, 255, (batch, size, size, 3), dtype=np.uint8),
        "points": rng.uniform(10, size - 10, (batch, points, 2)).astype(np.float32),
        "weights": np.ones((batch, points), np.float32),
        "damaged": np.zeros(batch, bool),
    }
    model, mesh = models.build_for(config), sharding.make_mesh()
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    current = state.create_on(mesh, model, transform, size, seed=0)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(current.params))
    if variant == "dsat-released":
        assert parameters == 181_179_136
    step = loop.make_training_step(model, transform, config, mesh)
    losses = []
    for _ in range(2):
        current, scalars = step(current, faces)
        losses.append(float(scalars["loss"]))
    assert np.isfinite(losses).all()
    predicted = jit_forward(model, config, mesh)(current.ema, faces["image"][:2])
    assert predicted.points.shape == (2, points, 2)
    assert np.isfinite(predicted.points).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{variant}: {parameters:,} parameters, losses {losses}, peak memory {peak / 2**30:.1f} GiB")
    assert peak < MEMORY
