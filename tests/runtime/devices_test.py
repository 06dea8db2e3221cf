"""The choice of a device, in processes of their own: JAX chooses once."""

import os
import subprocess
import sys

import pytest

# A CPU client in the place of NVIDIA's plugin, which needs a GPU.
_PLUGIN = """
import jax
from jax._src import hardware_utils, xla_bridge
from jaxlib import xla_client

hardware_utils.has_visible_nvidia_gpu = lambda: True
xla_bridge.register_backend_factory("cuda", lambda: xla_client.make_cpu_client(), priority=200, fail_quietly=True)
"""
_CHOOSE = """
from dsat_jax.errors import UserError
from dsat_jax.runtime import devices

try:
    devices.choose({device!r})
    devices.check({device!r})
    import jax
    print(sorted(jax.extend.backend.backends()))
except UserError as error:
    print("refused:", error)
"""


def _choose(device: str | None, plugin: bool = False, **environment: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    program = _PLUGIN * plugin + "import jax.extend.backend\n" + _CHOOSE.format(device=device)
    command = [sys.executable, "-c", program]
    finished = subprocess.run(
        command, env=variables | environment, capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()


def test_the_flag_gpu_takes_the_gpu_that_there_is():
    assert "cuda" in _choose("gpu", plugin=True)
    assert _choose("gpu", plugin=True) == _choose(None, plugin=True, JAX_PLATFORMS="")


def test_the_flag_cpu_leaves_other_devices_alone():
    assert _choose("cpu", plugin=True) == "['cpu']"


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_a_device_that_is_missing_is_refused_in_one_sentence(device):
    refusal = _choose(device)
    assert refusal.startswith(f"refused: --device={device}: JAX cannot use one here (")
    assert refusal.endswith("; README.md lists what to install for it")
    assert "rocm" not in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize("named", ["cuda", "tpu", "nonsense"])
def test_an_environment_that_names_a_missing_device_is_refused_in_one_sentence(named):
    variable = f"the environment variable JAX_PLATFORMS is '{named}'"
    refusal = _choose(None, JAX_PLATFORMS=named)
    assert refusal.startswith(f"refused: {variable}, and JAX cannot use that here (")
    assert refusal.endswith("; without it, JAX takes the fastest device that there is")
    assert "\n" not in refusal
    refusal = _choose("gpu", JAX_PLATFORMS=named)
    assert refusal.startswith("refused: --device=gpu: JAX cannot use one here (")
    assert refusal.endswith(f"; {variable}")
