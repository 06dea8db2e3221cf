import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from dsat_jax import large_pages
print("start", os.getpid(), sys.argv[1:], flush=True)
large_pages.ensure()
print("tunables", os.environ["GLIBC_TUNABLES"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this C library")
@pytest.mark.parametrize(
    ("given", "starts", "expected"),
    [
        ({}, 2, "glibc.malloc.hugetlb=1"),
        (
            {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"},
            2,
            "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1",
        ),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, 1, "glibc.malloc.hugetlb=0"),
    ],
    ids=["none", "another", "the user's own"],
)
def test_a_program_starts_anew_once(given, starts, expected):
    inherited = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--flag=a b", "c"],
        env={**inherited, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    *begun, tunables = finished.stdout.splitlines()
    assert len(begun) == starts
    assert len(set(begun)) == 1  # the same process, with the same arguments
    assert begun[0].endswith("['--flag=a b', 'c']")
    assert tunables == f"tunables {expected}"
