"""The examples run as they stand."""

import os
import pathlib
import subprocess
import sys

import jax

ROOT = pathlib.Path(__file__).parents[1]


def test_quickstart(tiny_dataset, tmp_path):
    command = [sys.executable, "examples/quickstart.py", "--steps=2", "--dataset=synthetic_faces/tiny"]
    places = [f"--data_dir={tiny_dataset}", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        [*command, *places],
        cwd=ROOT,
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the export differs by 0.0e+00 px" in done.stdout
    for name in ("report.html", "quickstart.jpg", "network.export", "README.txt"):
        assert (tmp_path / "run" / name).is_file()
