"""Topologies of accelerators: names that are refused."""

import importlib.util

import pytest

from dsat_jax.errors import UserError
from dsat_jax.runtime import topologies


@pytest.mark.parametrize("name", ["v5e", "v5e:", "v5e:2x", "tpu:2x2", "v5e:2x2 ", "v5e:axb"])
def test_a_name_that_is_none_is_refused_with_an_example(name):
    with pytest.raises(
        UserError, match=r"--topology=.*expected a chip and a shape, such as v5e:4x4, with .* v5p, v6e"
    ):
        topologies.find(name)


def test_a_missing_compiler_is_named_with_its_installation():
    if importlib.util.find_spec("libtpu"):
        pytest.skip("libtpu is installed")
    with pytest.raises(UserError, match=r"needs libtpu, .*pip install 'dsat_jax\[tpu\]'"):
        topologies.find("v5e:2x2")
