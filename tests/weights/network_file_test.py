"""Weights files: a round trip, and refusal of other files."""

import jax
import numpy as np
import pytest
import safetensors.numpy
from made_weights import rewritten
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax import models, schemes
from dsat_jax.inference import trained_network
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.weights import network_file


@pytest.fixture(scope="module")
def config() -> ConfigDict:
    config = synthetic.get_config()
    config.input.size = 32
    config.model.update(width=8, stacks=1, transformer_layers=1, heads=2)
    config.data.data_dir = "/home/me/data"
    config.evaluate.threshold = 0.07
    return config


@pytest.fixture(scope="module")
def variables(config):
    """Random variables of the model; the variances exceed the range of float16."""
    transform = optimizer.make_optimizer(config.optimizer, 10)
    template = state.template(sharding.make_mesh(), models.build_for(config), transform, 32).ema
    random = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), template)
    drawn["batch_stats"] = jax.tree.map(lambda leaf: 1e6 * np.abs(leaf), drawn["batch_stats"])
    return drawn


@pytest.fixture(scope="module")
def file(config, variables, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "mine.safetensors"
    network_file.write(path, config, variables)
    return path


def test_a_network_is_read_as_it_was_written_in_half_precision(file, config, variables):
    network = trained_network.load(file)
    assert jax.tree.structure(network.variables) == jax.tree.structure(variables)
    for kind, error in (("params", 2**-11), ("batch_stats", 0)):
        for stored, expected in zip(
            *map(jax.tree.leaves, (network.variables[kind], variables[kind])), strict=True
        ):
            assert stored.dtype == np.float32
            # float16 rounds to 11 bits; below 2^-14 its steps are 2^-24.
            np.testing.assert_allclose(stored, expected, rtol=error, atol=error and 2**-25)
    assert network.model == models.build_for(config)
    assert network.config.input == config.input
    assert network.config.evaluate == config.evaluate
    assert schemes.find(network.config.data.scheme).name == "wflw_98"


def test_the_same_network_gives_the_same_bytes_and_no_path_of_this_machine(file, config, variables, tmp_path):
    network_file.write(tmp_path / "again.safetensors", config, variables)
    content = (tmp_path / "again.safetensors").read_bytes()
    assert content == file.read_bytes()
    assert b"/home/me" not in content
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert 2 * parameters < len(content) < 2.5 * parameters + 50_000


def test_the_origin_of_a_backbone_is_not_written_and_the_suffix_may_be_upper_case(tmp_path):
    config = synthetic.get_config("lotr-tiny")
    config.input.size = 32
    config.model.update(
        dim=8, heads=2, feed_forward=8, head_width=8, backbone_weights="/home/me/mobilenet_v2.pth"
    )
    model, transform = models.build_for(config), optimizer.make_optimizer(config.optimizer, 10)
    template = state.template(sharding.make_mesh(), model, transform, 32).ema
    path = tmp_path / "Faces.SafeTensors"
    network_file.write(path, config, jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template))
    assert b"/home/me" not in path.read_bytes()
    assert trained_network.load(path).config.model.backbone_weights is None


def test_a_parameter_that_float16_cannot_hold_is_refused(config, variables, tmp_path):
    stem = {**variables["params"]["stem_conv"], "bias": np.array([1.0, 7e4], np.float32)}
    changed = {**variables, "params": {**variables["params"], "stem_conv": stem}}
    with pytest.raises(ValueError, match="params/stem_conv/bias reaches 7e\\+04, more than a weights file"):
        network_file.write(tmp_path / "large.safetensors", config, changed)
    assert not list(tmp_path.iterdir())


def unknown_field(arrays, metadata):
    metadata["config"]["model"]["depth"] = 3


def no_model(arrays, metadata):
    metadata["config"] = ["dsat"]


def later_version(arrays, metadata):
    metadata["version"] = 2


def other_format(arrays, metadata):
    metadata["format"] = "weights"


def not_a_number(arrays, metadata):
    arrays["params/stem_conv/bias"][0] = np.nan


def integers(arrays, metadata):
    arrays["params/stem_conv/bias"] = arrays["params/stem_conv/bias"].astype(np.int16)


def too_deep(arrays, metadata):
    metadata["config"]["model"]["transformer_layers"] = 2**31 - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (not_a_number, "params/stem_conv/bias holds float16, expected float16, all finite"),
        (integers, "params/stem_conv/bias holds int16, expected float16, all finite"),
        (too_deep, "model.transformer_layers is 2147483647, expected a whole number from 0 to 64"),
        (unknown_field, "does not fit this version: fields in one but not the other: model.depth"),
        (no_model, r"found \['dsat'\], expected sections of a configuration"),
        (later_version, "has version 2, this dsat_jax reads 1"),
        (other_format, "holds weights without their configuration, expected a file of --mode=export"),
    ],
)
def test_a_changed_file_is_refused(file, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        network_file.read(rewritten(file, tmp_path, change))


def test_weights_alone_and_damaged_bytes_are_refused(file, tmp_path):
    safetensors.numpy.save_file({"kernel": np.zeros(3, np.float32)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="holds weights without their configuration"):
        network_file.read(tmp_path / "bare.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"cut.safetensors is damaged, or not in the safetensors format"):
        network_file.read(tmp_path / "cut.safetensors")
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"notes.txt is not a weights file: expected a name that ends in .safet"
    ):
        network_file.read(tmp_path / "notes.txt")
    with pytest.raises(
        ValueError, match=r"faces.ONNX is an ONNX model, .* expected a name that ends in .safetensors"
    ):
        network_file.read(tmp_path / "faces.ONNX")
    with pytest.raises(
        ValueError, match=r"faces.export is an export, which dsat_jax.load_exported reads in Python"
    ):
        network_file.read(tmp_path / "faces.export")


def test_a_file_in_a_bucket_is_the_same_network(bucket_folder, config, variables, file):
    copy = bucket_folder / "network.safetensors"
    network_file.write(copy, config, variables)
    assert copy.read_bytes() == file.read_bytes()
    found, arrays = network_file.read(copy)
    assert found.to_dict() == network_file.read(file)[0].to_dict()
    assert trained_network.read_config(copy).to_dict() == found.to_dict()
    assert arrays.keys() == network_file.read(file)[1].keys()
