"""Runs that start from the weights of a trained network."""

import functools

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax import models
from dsat_jax.inference import trained_network
from dsat_jax.models.backbones import BACKBONES
from dsat_jax.runtime import sharding
from dsat_jax.training import initial_state, optimizer, state
from dsat_jax.weights import network_file, zoo
from dsat_jax.weights.names import by_name


def tiny_config(scheme: str = "wflw_98", width: int = 8) -> ConfigDict:
    config = synthetic.get_config()
    config.data.scheme = scheme
    config.input.size = 32
    config.model.update(width=width, stacks=0, gate="none")
    return config


def initial(config: ConfigDict) -> state.TrainState:
    transform = optimizer.make_optimizer(config.optimizer, 10)
    return initial_state.begin(config, models.build_for(config), transform, sharding.make_mesh())


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A weights file of 98 landmarks, and its arrays by name."""
    config = tiny_config()
    config.seed = 5
    variables = jax.device_get(initial(config).ema)
    path = tmp_path_factory.mktemp("networks") / "five.safetensors"
    network_file.write(path, config, variables)
    return path, by_name(variables)


def test_all_arrays_of_the_same_network_are_taken(network, caplog):
    path, expected = network
    config = tiny_config()
    config.train.start_from = str(path)
    current = initial(config)
    trained = by_name({"params": current.params, "batch_stats": current.batch_stats})
    for arrays in (trained, by_name(current.ema)):
        assert arrays.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(arrays[name], array, rtol=2**-11, atol=2**-25)
    assert int(current.step) == 0
    assert initial_state.described(config) == f"the network {path}"
    assert f"{path} gives 100.0% of the parameters and statistics" in caplog.text
    assert "from scratch" not in caplog.text


def test_landmarks_that_the_network_lacks_start_from_scratch(network, caplog):
    path, expected = network
    config = tiny_config("cofw_29")
    scratch = by_name(initial(config).params)
    config.train.start_from = str(path)
    params = by_name(initial(config).params)
    # The pupils, the inner ends and the edges of the brows, the lids and the wings of the nose of COFW-29.
    assert "does not have 14 of 29 landmarks, which start from scratch" in caplog.text
    kernel, trained = params["head_conv/kernel"], expected["params/head_conv/kernel"]
    np.testing.assert_array_equal(kernel[..., 16], scratch["head_conv/kernel"][..., 16])  # a pupil
    np.testing.assert_allclose(kernel[..., 20], trained[..., 54], rtol=2**-11, atol=2**-25)  # tip of the nose
    np.testing.assert_allclose(params["stem_conv/kernel"], expected["params/stem_conv/kernel"], rtol=2**-11)


def test_another_network_is_refused(network):
    config = tiny_config(width=16)
    config.train.start_from = str(network[0])
    with pytest.raises(
        ValueError, match=r"only \d+% of the parameters of config.model have the shapes of that"
    ):
        initial(config)
    config.train.start_from = "dsat-nowhere"
    with pytest.raises(
        FileNotFoundError, match="dsat-nowhere is neither a file or folder, nor a network that is ship"
    ):
        initial(config)


def test_a_network_and_a_backbone_exclude_each_other(network):
    config = synthetic.get_config("lotr-tiny")
    config.model.backbone_weights = "mobilenet_v2.pth"
    config.train.start_from = str(network[0])
    with pytest.raises(ValueError, match=r"backbone_weights and config.train.start_from exclude each other"):
        initial(config)


def backbone_shapes(name: str) -> dict:
    images = jax.ShapeDtypeStruct((1, 96, 96, 3), np.float32)
    module = BACKBONES[name](frozen=False, dtype=np.float32)
    return jax.eval_shape(functools.partial(module.init, train=False), jax.random.key(0), images)


def test_an_hourglass_starts_from_the_trunk_of_a_dsat():
    """All arrays of the shipped DSAT are taken but those of its head; the norm of the trunk's output is new."""
    shapes = backbone_shapes("hourglass_32")
    found = by_name(initial_state._trunk_of("dsat-300w", "hourglass_32", shapes))
    assert found.keys() == by_name(shapes).keys()
    found = {name: array for name, array in found.items() if "/trunk/" in name}
    trained = by_name(trained_network.load_whole(zoo.find("dsat-300w")).variables)
    expected = {name: array for name, array in trained.items() if "/head_" not in name}
    assert {name.replace("/trunk/", "/") for name in found} == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name.replace("/trunk/", "/")], err_msg=name)


def test_a_network_without_the_trunk_of_the_backbone_is_refused():
    with pytest.raises(
        ValueError, match=r"dsat-300w has no trunk for config.model.backbone=hourglass_48: \d+ of"
    ):
        initial_state._trunk_of("dsat-300w", "hourglass_48", backbone_shapes("hourglass_48"))
