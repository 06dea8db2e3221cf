"""What an installation has: its requirements, and what inference imports of them."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import dsat_jax

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Training, evaluation and dataset building need these; inference does not.
NOT_FOR_INFERENCE = (
    "tensorflow_datasets",
    "grain",
    "matplotlib",
    "optax",
    "orbax",
    "tensorboardX",
    "scipy",
    "h5py",
    "gcsfs",
)


def requirements(lines: list[str]) -> set[str]:
    """Requirements without comments, and without references to other extras and files."""
    stripped = (line.partition("#")[0].replace(" ", "") for line in lines)
    return {line for line in stripped if line and not line.startswith(("-r", "dsat_jax["))}


def test_requirements_for_a_clone_are_those_of_inference_building_and_training():
    extras = PROJECT["optional-dependencies"]
    whole = requirements((ROOT / "requirements.txt").read_text().splitlines())
    assert whole == requirements([*PROJECT["dependencies"], *extras["build"], *extras["train"]])
    development = requirements((ROOT / "requirements-dev.txt").read_text().splitlines())
    assert development == requirements(extras["dev"])


def test_the_version_is_readable():
    assert re.fullmatch(r"\d+\.\d+\.\d+", dsat_jax.__version__)


def imported_by(program: str) -> set[str]:
    """The top-level packages that a program has imported at its end, in a fresh process."""
    listing = 'import sys; print("modules", *{name.partition(".")[0] for name in sys.modules})'
    finished = subprocess.run(
        [sys.executable, "-c", f"{program}\n{listing}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split("modules ")[-1].split())


def test_inference_imports_no_training_code():
    """A shipped network also needs no code of the networks; the weights file of a run does."""
    refused = {*NOT_FOR_INFERENCE, "flax", "ml_collections"}
    loaded = imported_by("from dsat_jax import Predictor; Predictor.pretrained()")
    assert {"jax", "cv2"} <= loaded
    assert loaded.isdisjoint(refused), loaded & refused
    loaded = imported_by(
        "import numpy as np; from dsat_jax import Predictor; "
        "Predictor.pretrained('lotr-300w')(np.zeros((40, 50, 3), np.uint8), [[5, 5, 35, 35]], looks=1, mirror=False)"
    )
    refused -= {"scipy"}  # JAX imports it to compile for a CPU
    assert loaded.isdisjoint(refused), loaded & refused
    loaded = imported_by(
        "from dsat_jax.inference import trained_network; from dsat_jax.weights import zoo; "
        "trained_network.load(zoo.weights('lotr-300w'))"
    )
    assert "flax" in loaded
    assert loaded.isdisjoint(NOT_FOR_INFERENCE), loaded & set(NOT_FOR_INFERENCE)


def test_the_programs_of_the_shipped_networks_are_packaged():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert {"*.safetensors", "*.export"} <= {*tools["setuptools"]["package-data"]["*"]}


def test_the_package_alone_imports_nothing_heavy():
    assert imported_by("import dsat_jax").isdisjoint({*NOT_FOR_INFERENCE, "jax", "flax", "numpy", "cv2"})


def test_every_configuration_is_found_by_its_name():
    from dsat_jax.command_line import parsing

    for file in (ROOT / "configs").glob("*.py"):
        assert parsing.with_config_paths([f"--config={file.stem}:small"]) == [f"--config={file}:small"]


def test_training_without_its_packages_names_what_to_install():
    block = (
        "import sys; sys.modules['tensorflow_datasets'] = None; sys.argv = ['dsat-jax', '--config=synthetic']"
    )
    program = f"{block}; from dsat_jax.command_line.main import run; run()"
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "--mode=train needs tensorflow_datasets, which is not installed: pip install" in finished.stderr


def test_the_wheel_has_the_builders_without_their_tests(tmp_path):
    pytest.importorskip(
        "setuptools", reason="builds the wheel's folder; environments have it up to Python 3.11"
    )
    command = [sys.executable, "setup.py", "--quiet", "egg_info", f"--egg-base={tmp_path}", "build_py"]
    subprocess.run([*command, f"--build-lib={tmp_path}"], cwd=ROOT, check=True, capture_output=True)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {"tfds_builders/w300/README.md", "dsat_jax/configs/w300.py", "dsat_jax/py.typed"} <= files
    assert not [name for name in files if "test" in name or "dummy_data" in name]
