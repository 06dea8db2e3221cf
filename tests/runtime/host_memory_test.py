"""Memory that the process keeps between training steps, measured in a process of its own."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
import jax
from dsat_jax.runtime import host_memory

if {keep}:
    host_memory.keep_freed()
compute = jax.jit(lambda values: jax.numpy.cumsum(jax.numpy.flip(values)).max())
values = jax.numpy.ones(2**22)  # 16 MiB, 4,096 pages
faults = []
for _ in range(40):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    compute(values).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults))
"""


def _faults(keep: bool) -> int:
    """Returns the smallest number of pages that the system provided in one of many repetitions of a computation."""
    program = [sys.executable, "-c", _FAULTS.format(keep=keep)]
    return int(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the C library of GNU")
@pytest.mark.slow
def test_a_repeated_computation_takes_no_new_pages_from_the_system():
    assert _faults(keep=False) > 2**12
    assert _faults(keep=True) < 2**12 / 10
