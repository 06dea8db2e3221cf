"""What several tests share: the tensors recorded from the original network, and a tiny dataset."""

import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np
import pytest

from tfds_builders import build

# The networks of the tests are tiny: compiling them takes far longer than running them. JAX reads this when it starts.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"

# The smallest file travels with the tests; the others, 24 MB, lie beside the repository where they are at hand.
GOLDEN = (pathlib.Path(__file__).parent / "golden", pathlib.Path(__file__).parents[2] / "shared" / "golden")


@pytest.fixture(scope="session")
def golden_file() -> Callable[[str], pathlib.Path]:
    """A function from the name of a file recorded from the original to its path; it skips the test without it."""

    def find(name: str) -> pathlib.Path:
        path = next((folder / name for folder in GOLDEN if (folder / name).exists()), None)
        if path is None:
            pytest.skip(f"the recorded tensors of the original are not here: {GOLDEN[-1] / name}")
        return path

    return find


@pytest.fixture(scope="session")
def recorded(golden_file) -> Callable[[str], dict[str, np.ndarray]]:
    """A function from the name of a recorded .npz file to its arrays."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(golden_file(name)) as arrays:
            return {key: arrays[key] for key in arrays.files}

    return load


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> str:
    """A folder of built datasets with synthetic_faces/tiny: 64 training and 16 test faces."""
    folder = str(tmp_path_factory.mktemp("datasets"))
    build.build("synthetic_faces/tiny", data_dir=folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory) -> None:
    """Compiles a function once, however many runs of the session jit it anew."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
