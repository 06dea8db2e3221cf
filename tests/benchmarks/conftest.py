"""A network of random weights for the tests of the benchmarks."""

import pathlib

import jax
import pytest

from configs import synthetic
from dsat_jax import models
from dsat_jax.runtime import sharding
from dsat_jax.training import initial_state, optimizer
from dsat_jax.weights import network_file


@pytest.fixture(scope="session")
def network_path(tiny_dataset, tmp_path_factory) -> pathlib.Path:
    """Returns a weights file of random weights, for 98 landmarks in crops of 32 pixels."""
    config = synthetic.get_config()
    config.data.update(dataset="synthetic_faces/tiny")
    config.input.size = 32
    config.model.update(width=8, stacks=0, gate="none")
    transform = optimizer.make_optimizer(config.optimizer, 10)
    initial = initial_state.begin(config, models.build_for(config), transform, sharding.make_mesh())
    path = tmp_path_factory.mktemp("networks") / "random.safetensors"
    network_file.write(path, config, jax.device_get(initial.ema))
    return path
