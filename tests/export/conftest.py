"""The ONNX model of a tiny run."""

import importlib.util
import pathlib
import warnings

import pytest

from dsat_jax.export import exporter


@pytest.fixture(scope="session")
def onnx_file(exported_run, tmp_path_factory) -> pathlib.Path:
    """The ONNX model of the run of `exported_run`; a test that uses it is skipped without converter and runtime."""
    missing = [name for name in ("jax2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"ONNX is optional, and not installed: {', '.join(missing)}")
    file = tmp_path_factory.mktemp("onnx") / "faces.onnx"
    with warnings.catch_warnings(action="ignore"):  # of the converter
        exporter.export_run(exported_run[0], file)
    return file
