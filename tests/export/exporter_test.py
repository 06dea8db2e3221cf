"""Exports: the same landmarks as the run's own network, on any number of faces, without the code of the networks."""

import functools
import json
import os
import pathlib
import subprocess
import sys
import types

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from made_runs import RUNS, SIZE, begin_run, random_like, tiny_config

import dsat_jax
from dsat_jax import models, schemes
from dsat_jax.config import load_config
from dsat_jax.export import exporter
from dsat_jax.inference import export_archive
from dsat_jax.inference.forward import make_forward
from dsat_jax.models import transformer
from dsat_jax.weights.names import by_name


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (70, 90, 3)).astype(np.uint8)


BOXES = np.array([[5, 5, 60, 60], [20, 10, 80, 65], [0, 0, 40, 45]], float)


@pytest.fixture(scope="module")
def exported_run(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """The folder of a run, and its export."""
    workdir = tmp_path_factory.mktemp("run")
    begin_run(workdir, tiny_config("learned"))
    exporter.export_run(workdir, workdir / "run.export")
    return workdir, workdir / "run.export"


def check_same(faces: list, expected: list) -> None:
    for face, same in zip(faces, expected, strict=True):
        np.testing.assert_allclose(face.landmarks, same.landmarks, rtol=1e-5, atol=1e-5)
        assert (face.confidence is None) == (same.confidence is None)
        if face.confidence is not None:
            np.testing.assert_allclose(face.confidence, same.confidence, rtol=1e-5, atol=1e-5)
        assert (face.open_channels is None) == (same.open_channels is None)
        if face.open_channels is not None:
            np.testing.assert_array_equal(face.open_channels, same.open_channels)


@pytest.mark.parametrize(
    "name", [*(name for name in RUNS if name != "lotr-hr+"), pytest.param("lotr-hr+", marks=pytest.mark.slow)]
)
def test_an_export_finds_what_its_run_finds(name, tmp_path, picture):
    begin_run(tmp_path, tiny_config(name))
    exporter.export_run(tmp_path, tmp_path / "run.export")
    expected = dsat_jax.Predictor.from_run(tmp_path)(picture, BOXES)
    check_same(dsat_jax.load_exported(tmp_path / "run.export")(picture, BOXES), expected)
    assert np.ptp(expected[0].landmarks) > 1e-3
    assert (
        np.abs(expected[0].landmarks - expected[1].landmarks).max() > 1
    )  # the boxes differ, and so do the faces


def test_an_export_needs_no_code_of_the_networks(exported_run, picture):
    """In a process where that code, Flax and Orbax cannot be imported."""
    workdir, file = exported_run
    program = """if True:
        import json, sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.startswith(("dsat_jax.models", "flax", "orbax", "optax")):
                    raise ImportError(f"{name} is not here")

        sys.meta_path.insert(0, Refuse())
        import numpy as np
        import dsat_jax

        given = json.load(sys.stdin)
        predictor = dsat_jax.load_exported(sys.argv[1])
        faces = predictor(np.array(given["picture"], np.uint8), np.array(given["boxes"]))
        print(json.dumps([[face.landmarks.tolist(), face.confidence.tolist()] for face in faces]))
        import dsat_jax.models
    """
    finished = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        input=json.dumps({"picture": picture.tolist(), "boxes": BOXES.tolist()}),
        cwd=pathlib.Path(__file__).parents[2],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.stderr.endswith("ImportError: dsat_jax.models is not here\n"), finished.stderr
    expected = dsat_jax.Predictor.from_run(workdir)(picture, BOXES)
    for (landmarks, confidence), face in zip(json.loads(finished.stdout), expected, strict=True):
        np.testing.assert_allclose(landmarks, face.landmarks, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(confidence, face.confidence, rtol=1e-5, atol=1e-5)


def test_an_export_is_for_any_number_of_faces_and_every_platform(exported_run):
    contents = export_archive.read(exported_run[1])
    network = jax.export.deserialize(bytearray(contents.network))
    assert network.platforms == ("cpu", "cuda", "tpu")
    crops = np.random.default_rng(2).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8)
    all_at_once = network.call(dict(contents.weights), crops)
    alone = network.call(dict(contents.weights), crops[3:4])
    for name in ("points", "confidence", "gates"):
        np.testing.assert_allclose(alone[name][0], all_at_once[name][3], rtol=1e-5, atol=1e-5)


def test_an_export_compiles_once(exported_run, picture, caplog):
    predictor = dsat_jax.load_exported(exported_run[1])
    with jax.log_compiles():
        for count in (1, 3, 9):
            predictor(picture, np.tile(BOXES, (3, 1))[:count])
    compiled = [line for line in caplog.messages if line.startswith("Finished XLA compilation")]
    assert len(compiled) == 1, compiled


def test_an_export_tells_its_crop_and_its_scheme(exported_run):
    settings = export_archive.read(exported_run[1]).settings
    config = load_config(exported_run[0])
    assert (settings.size, settings.enlarge) == (SIZE, config.input.enlarge)
    assert settings.scheme.name == config.data.scheme
    assert settings.jax_version == jax.__version__


def test_a_second_export_is_the_same_file_and_says_nothing_of_this_machine(exported_run):
    workdir, file = exported_run
    first = file.read_bytes()
    exporter.export_run(workdir, file)
    assert file.read_bytes() == first
    assert str(pathlib.Path(exporter.__file__).parent).encode() not in first
    assert sorted(path.name for path in workdir.iterdir()) == ["checkpoints", "config.json", "run.export"]


def test_an_export_from_a_machine_with_a_gpu_runs_on_one_without(monkeypatch):
    """There bfloat16 attention is cuDNN's, which no other platform has."""
    config = tiny_config("lotr-m")
    config.model.dtype = "bfloat16"
    model, scheme = models.build_for(config), schemes.find(config.data.scheme)
    crops = np.random.default_rng(2).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    init = functools.partial(model.init, train=False)
    variables = random_like(jax.eval_shape(init, jax.random.key(0), jnp.zeros(crops.shape)))
    forward = make_forward(model, config, scheme)
    cuda = types.SimpleNamespace(platform_version="PJRT C API cuda 13000")
    with monkeypatch.context() as patched:
        patched.setattr(transformer, "get_backend", lambda: cuda)
        assert transformer._implementation(jnp.zeros((8, 4, 2, 8), "bfloat16")) == "cudnn"
        network = jax.export.deserialize(bytearray(exporter.stage(forward, variables, SIZE)))
    found = network.call(by_name(variables), crops)["points"]
    np.testing.assert_allclose(found, jax.jit(forward)(variables, crops).points, rtol=1e-5, atol=1e-5)


def test_where_no_file_can_be_written_is_said_before_anything_is_computed(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of the file"):
        exporter.export_run(tmp_path / "absent", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing for the file run\.export"):
        exporter.export_run(tmp_path / "absent", tmp_path / "missing" / "run.export")
    with pytest.raises(FileNotFoundError, match="absent holds no run"):
        exporter.export_run(tmp_path / "absent", tmp_path / "run.export")


def test_an_absent_export_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no export .*absent\.export"):
        dsat_jax.load_exported(tmp_path / "absent.export")
