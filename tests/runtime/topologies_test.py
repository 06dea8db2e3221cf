"""Topologies of accelerators: names that are refused."""

import importlib.util
import re

import pytest

from dsat_jax.errors import UserError
from dsat_jax.runtime import topologies
from dsat_jax.runtime.chips import CHIPS


@pytest.mark.parametrize(
    "name",
    [
        "v5e",
        "v5e:",
        "v5e:2x",
        "tpu:2x2",
        "v5e:2x2 ",
        "v5e:axb",
        "v5e:0x2",
        "h100:",
        "h100:0",
        "h100:2x4",
        "gpu",
    ],
)
def test_a_name_that_is_none_is_refused_with_an_example(name):
    with pytest.raises(
        UserError,
        match=r"--topology=.*expected a chip and a shape, such as v5e:4x4 or h100:8, with .* v6e, h100",
    ):
        topologies.find(name)


def test_a_missing_compiler_is_named_with_its_installation():
    if importlib.util.find_spec("libtpu"):
        pytest.skip("libtpu is installed")
    with pytest.raises(UserError, match=r"needs libtpu, .*pip install 'dsat_jax\[tpu\]'"):
        topologies.find("v5e:2x2")


def test_a_missing_plugin_is_named_with_its_installation():
    if importlib.util.find_spec("jax_cuda13_plugin"):
        pytest.skip("the plugin for CUDA is installed")
    with pytest.raises(UserError, match=r"needs JAX's plugin for CUDA 13, .*pip install 'dsat_jax\[cuda\]'"):
        topologies.find("h100")


def test_more_gpus_than_those_of_a_host_are_refused():
    with pytest.raises(UserError, match="--topology=h100:9: expected at most 8 GPUs, those of one host"):
        topologies.find("h100:9")


def test_the_compiler_and_the_roofline_have_the_same_memory():
    fields = dict(re.findall(r"(\w+): (\d+)", topologies._H100))
    assert int(fields["device_memory_size"]) == CHIPS["h100"].memory
    assert int(fields["memory_bandwidth"]) == pytest.approx(CHIPS["h100"].bandwidth, rel=1e-3)
