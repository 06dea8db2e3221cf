"""The examples run without changes."""

import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest

from examples import contact_sheet

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow  # quickstart_notebook_test runs the same cells
def test_quickstart(tiny_dataset, tmp_path):
    """As the cells of a notebook, which are in no file."""
    cells = "exec(open('quickstart.py').read(), {'__name__': '__main__'})"
    command = [sys.executable, "-c", cells, "--steps=2", "--dataset=synthetic_faces/tiny"]
    folders = [f"--data_dir={tiny_dataset}", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        [*command, *folders],
        cwd=ROOT / "examples",
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    difference = re.search(r"the export differs by (\S+) px", done.stdout)
    assert float(difference[1]) < 0.01
    for name in ("report.html", "quickstart.jpg", "network.export", "README.txt"):
        assert (tmp_path / "run" / name).is_file()


def test_contact_sheet(tmp_path):
    out = tmp_path / "sheet.png"
    assert contact_sheet.main([f"--out={out}", "--columns=2", "--rows=1", "--side=64", "--annotated=2"]) == 0
    assert out.stat().st_size > 1000
