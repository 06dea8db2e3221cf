"""Fixtures of several tests: tensors recorded from the original network, a tiny dataset, the compilation cache."""

import functools
import importlib.util
import os
import pathlib
from collections.abc import Callable, Iterator

import jax
import numpy as np
import pytest
from bucket_server import Server, running

from tfds_builders import build

# The networks of the tests are tiny: compiling them takes far longer than running them. JAX reads this at its start.
# Without the fusion emitters, compiling takes a fifth less. Newer versions have no choice, and end at a flag that they
# do not know.
_FLAGS = [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
if jax.__version_info__ < (0, 11):
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join(_FLAGS)

GOLDEN = pathlib.Path(__file__).parent / "golden"
# The small recording is part of the tests. The larger one, 24 MB, is next to the repository if it is available.
RECORDINGS = {"small": GOLDEN, "reduced": pathlib.Path(__file__).parents[2] / "shared" / "golden"}


@pytest.fixture(scope="session", params=RECORDINGS)
def recording(request) -> pathlib.Path:
    """Folder of one recording of the original network; a test that uses it runs once for each recording."""
    folder = RECORDINGS[request.param]
    if not folder.exists():
        pytest.skip(f"the larger recording of the original network is missing: {folder}")
    return folder


@pytest.fixture(scope="session")
def recorded() -> Callable[..., dict[str, np.ndarray]]:
    """A function from the name of a recorded .npz file, and the recording's folder, to the arrays."""

    def load(name: str, folder: pathlib.Path = GOLDEN) -> dict[str, np.ndarray]:
        with np.load(folder / name) as arrays:
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
    """Compiles a function once per session, however often it is jitted."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


@pytest.fixture(scope="module")
def tiny_backbones() -> Iterator[None]:
    """Backbones of few blocks under the usual names: a tiny LOTR would spend nearly all its time on compiling them."""
    from dsat_jax.models.backbones import BACKBONES, mobilenet, resnet  # only for those tests

    groups = tuple((expansion, 8, 1, 2 if number else 1) for number, expansion in enumerate((1, 2, 2, 2, 2)))
    layers = ((8, 1),) * 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "mobilenet_v2", functools.partial(mobilenet.MobileNetV2, groups=groups))
        patch.setitem(BACKBONES, "resnet50", functools.partial(resnet.ResNet50, layers=layers))
        yield


@pytest.fixture(scope="session")
def bucket() -> Iterator[Server]:
    """A server of buckets, to which this process and its children send their requests."""
    if importlib.util.find_spec("gcsfs") is None:  # not imported yet: it reads the environment at its import
        pytest.skip("gcsfs, which reads and writes buckets, is not installed")
    with running() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def bucket_folder(bucket, request) -> pathlib.Path:
    """An empty folder of a bucket."""
    from dsat_jax.files import locations

    name, _, parameters = request.node.name.partition("[")
    return locations.locate(f"gs://bucket/{name}{parameters.removesuffix(']')}")


@pytest.fixture(scope="session")
def exported_run(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """The folder of a run with random weights, and its export."""
    from made_runs import begin_run, tiny_config  # only for those tests: it imports every network

    from dsat_jax.export import exporter

    workdir = tmp_path_factory.mktemp("run")
    begin_run(workdir, tiny_config("learned"))
    exporter.export_run(workdir, workdir / "run.export")
    return workdir, workdir / "run.export"
