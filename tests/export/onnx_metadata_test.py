"""Metadata of ONNX models: crop, scheme, outputs, and the origin of shipped networks."""

import json
import pathlib

import pytest
from made_runs import tiny_config

from dsat_jax import schemes
from dsat_jax.export import onnx_metadata
from dsat_jax.inference.export_archive import Settings
from dsat_jax.schemes import W300_68
from dsat_jax.weights import zoo

CUSTOM = schemes.find(
    '{"name": "triangle", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}'
)


def test_the_metadata_of_a_run_are_its_settings():
    config = tiny_config("learned")
    config.evaluate.mirror = False
    metadata = onnx_metadata.of_network(
        Settings(32, 0.05, W300_68, "0.10.2"), config, pathlib.Path("runs/mine")
    )
    assert (metadata["size"], metadata["enlarge"], metadata["mirror"]) == ("32", "0.05", "false")
    assert (metadata["network"], metadata["trained_on"]) == ("synthetic", "synthetic_faces")
    assert (metadata["scheme"], json.loads(metadata["scheme_description"])["num_points"]) == ("w300_68", 68)
    assert json.loads(metadata["five_points"])[2:] == [[30], [48], [54]]
    assert "card" not in metadata


def test_a_custom_scheme_is_described_in_full():
    settings = Settings(32, 0.125, CUSTOM, "0.10.2")
    metadata = onnx_metadata.of_network(settings, tiny_config("learned"), pathlib.Path("runs/mine"))
    assert metadata["scheme"] == "triangle"
    assert schemes.find(metadata["scheme_description"]) == CUSTOM
    assert json.loads(metadata["five_points"]) is None


@pytest.mark.parametrize("name", zoo.PRETRAINED)
def test_a_shipped_network_carries_its_card_and_its_terms(name):
    settings = Settings(32, 0.125, W300_68, "0.10.2")
    metadata = onnx_metadata.of_network(settings, tiny_config("learned"), zoo.weights(name))
    assert metadata["card"].startswith(f"# {name}\n")
    assert "for research only" in metadata["model_license"]


def test_only_outputs_of_the_network_are_described():
    settings = Settings(32, 0.125, CUSTOM, "0.10.2")
    signature = onnx_metadata.of_signature(settings, ["points"])
    assert list(signature) == ["input images", "output points"]
    assert signature["input images"].startswith("uint8 [batch, 32, 32, 3]")
    assert signature["output points"].startswith("float32 [batch, 3, 2]")
