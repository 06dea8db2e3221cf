"""The Python lines of docs/export.md, run without this package and without JAX, against the predictor."""

import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from dsat_jax import Predictor, geometry, warp
from dsat_jax.config import load_config
from dsat_jax.export import exporter, onnx_metadata
from dsat_jax.inference.export_archive import Settings
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.schemes import W300_68
from dsat_jax.weights import zoo

DOCS = pathlib.Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "export.md").read_text()
CROP, PREDICT, REFINE = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
PACKAGES = ("dsat_jax", "jax", "jaxlib", "flax")
BLOCK = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {PACKAGES}:
            raise ModuleNotFoundError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
"""
SHOW_LANDMARKS = """
results = [(first := landmarks(image, box), refined(image, box, first)) for box in np.load("boxes.npy")]
np.save("results.npy", results)
"""
# In pixels of docs/astronaut.jpg: the face, a part of it, its surroundings, and two boxes cut by a border.
BOXES = np.array(
    [
        [240.3, 185.1, 466.2, 410.7],
        [320.4, 230.2, 350.9, 270.6],
        [180.7, 120.3, 530.8, 480.1],
        [-60.2, 100.4, 200.3, 420.9],
        [300.6, -20.8, 340.1, 25.4],
    ]
)


def run_alone(folder: pathlib.Path, *parts: str) -> subprocess.CompletedProcess:
    """Runs a program in a folder, where none of `PACKAGES` can be imported."""
    script = folder / "script.py"
    script.write_text("\n".join([BLOCK, *parts]))
    command = [sys.executable, "-I", str(script)]  # without PYTHONPATH and the current folder
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def check_run(folder: pathlib.Path, *parts: str) -> None:
    result = run_alone(folder, *parts, f"assert not set({PACKAGES}) & set(sys.modules)")
    assert result.returncode == 0, result.stderr


def check_landmarks(network: pathlib.Path, folder: pathlib.Path, mirror: bool) -> None:
    """Compares the lines of the document with the predictor, with and without the refinement pass.

    Args:
      network: run folder or weights file.
      folder: folder with its ONNX model, faces.onnx.
      mirror: whether the model averages with the mirrored crop.
    """
    shutil.copy(DOCS / "astronaut.jpg", folder / "photo.jpg")
    np.save(folder / "boxes.npy", BOXES)
    check_run(folder, CROP, PREDICT, REFINE, SHOW_LANDMARKS)
    predictor = Predictor.from_run(network)
    for looks, results in zip((1, 2), np.load(folder / "results.npy").swapaxes(0, 1), strict=True):
        faces = predictor(folder / "photo.jpg", BOXES, looks=looks, mirror=mirror)
        np.testing.assert_allclose(results, [face.landmarks for face in faces], atol=0.1)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_lines_run_where_the_package_cannot_be_imported(package, tmp_path):
    result = run_alone(tmp_path, f"import {package}.anything")
    assert result.returncode == 1
    assert f"ModuleNotFoundError: {package} is blocked" in result.stderr


@pytest.mark.parametrize("roll", [0.0, -0.4])
def test_the_crop_is_that_of_the_predictor(roll, tmp_path):
    """Every pixel is equal, for crops that shrink the image by more than 2, enlarge it, or cross its border."""
    image = np.random.default_rng(0).integers(0, 256, (600, 640, 3)).astype(np.uint8)
    size, enlarge = 64, 0.125
    matrices = [geometry.crop_matrix(box, size, enlarge, roll) for box in BOXES]
    scales = [np.hypot(*matrix[:, 0]) for matrix in matrices]
    assert min(scales) < 0.5 < 1 < max(scales)
    np.save(tmp_path / "image.npy", image)
    check_run(
        tmp_path,
        CROP,
        f"size, enlarge, image = {size}, {enlarge}, np.load('image.npy')",
        f"matrices = [crop_matrix(box, {roll}) for box in {BOXES.tolist()}]",
        "np.savez('crops.npz', matrices=matrices, crops=[crop(image, matrix) for matrix in matrices])",
    )
    with np.load(tmp_path / "crops.npz") as arrays:
        np.testing.assert_allclose(arrays["matrices"], matrices, rtol=1e-12)
        np.testing.assert_array_equal(
            arrays["crops"], [warp.warp(image, matrix, size) for matrix in matrices]
        )


def test_the_landmarks_are_those_of_the_predictor(exported_run, onnx_file, tmp_path):
    workdir, _ = exported_run
    shutil.copy(onnx_file, tmp_path / "faces.onnx")
    check_landmarks(workdir, tmp_path, mirror=load_config(workdir).evaluate.mirror)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of the converter
def test_the_landmarks_of_the_shipped_network_are_those_of_the_predictor(tmp_path):
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    exporter.export_run(zoo.weights("dsat-300w"), tmp_path / "faces.onnx")
    check_landmarks(zoo.weights("dsat-300w"), tmp_path, mirror=True)


def test_the_document_names_all_metadata(exported_run):
    settings, config = Settings(32, 0.125, W300_68, "0.10.2"), load_config(exported_run[0])
    metadata = {
        **onnx_metadata.of_network(settings, config, zoo.weights("dsat-300w")),
        **onnx_metadata.of_signature(settings, Landmarks._fields),
    }
    table = [line for line in TEXT.splitlines() if line.startswith("| `")]
    described = {name for line in table for name in re.findall(r"`([^`]+)`", line)}
    assert {name.removeprefix("output ") for name in metadata} - described == set()
