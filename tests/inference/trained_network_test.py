"""Trained networks from run folders and weights files: the same network, or a refusal."""

import jax
import numpy as np
import pytest
from made_runs import begin_run, tiny_config
from made_weights import rewritten

from dsat_jax import models
from dsat_jax.inference import trained_network
from dsat_jax.weights import network_file


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    begin_run(workdir, tiny_config("learned"))
    return workdir


@pytest.fixture(scope="module")
def file(run):
    """A weights file of the run."""
    network = trained_network.load(run)
    network_file.write(run / "weights.safetensors", network.config, jax.device_get(network.variables))
    return run / "weights.safetensors"


def test_a_run_and_its_weights_file_are_the_same_network(run, file):
    from_run, from_file = trained_network.load(run), trained_network.load(file)
    assert from_file.model == from_run.model == models.build_for(tiny_config("learned"))
    assert from_file.mesh == from_run.mesh
    assert jax.tree.structure(from_file.variables) == jax.tree.structure(from_run.variables)
    for stored, expected in zip(
        *map(jax.tree.leaves, (from_file.variables, from_run.variables)), strict=True
    ):
        assert stored.dtype == np.float32
        assert stored.sharding == expected.sharding
        np.testing.assert_allclose(stored, expected, rtol=2**-11, atol=2**-25)  # rounded to float16


def test_the_configuration_is_read_alone(run, file):
    for path in (run, file):
        config = trained_network.read_config(path)
        for section in network_file.SECTIONS:
            assert config[section] == tiny_config("learned")[section], (path, section)


def remove_array(arrays, metadata):
    del arrays["params/stem_conv/bias"]


def flatten_array(arrays, metadata):
    arrays["params/stem_conv/kernel"] = arrays["params/stem_conv/kernel"].reshape(-1)


def other_width(arrays, metadata):
    metadata["config"]["model"]["width"] = 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_array, "1 differ, the first is params/stem_conv/bias"),
        (flatten_array, "1 differ, the first is params/stem_conv/kernel"),
        (other_width, "the arrays do not fit the network that the metadata describe"),
    ],
)
def test_arrays_of_another_network_are_refused(file, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        trained_network.load(rewritten(file, tmp_path, change))


def test_an_absent_path_is_not_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        trained_network.load(tmp_path / "absent")
