"""Exports of runs: batch sizes, platforms, settings, and equal bytes."""

import functools
import pathlib
import types

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from made_runs import SIZE, random_like, tiny_config

from dsat_jax import models, schemes
from dsat_jax.config import load_config
from dsat_jax.errors import UserError
from dsat_jax.export import exporter
from dsat_jax.inference import export_archive
from dsat_jax.inference.forward import make_forward
from dsat_jax.models import transformer
from dsat_jax.weights.names import by_name


def test_an_export_takes_any_number_of_faces_and_runs_on_every_platform(exported_run):
    contents = export_archive.read(exported_run[1])
    network = jax.export.deserialize(bytearray(contents.network))
    assert network.platforms == ("cpu", "cuda", "tpu")
    crops = np.random.default_rng(2).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8)
    together = network.call(dict(contents.weights), crops)
    alone = network.call(dict(contents.weights), crops[3:4])
    for name in ("points", "confidence", "gates"):
        np.testing.assert_allclose(alone[name][0], together[name][3], rtol=1e-5, atol=1e-5)


def test_an_export_contains_its_crop_and_its_scheme(exported_run):
    settings = export_archive.read(exported_run[1]).settings
    config = load_config(exported_run[0])
    assert (settings.size, settings.enlarge) == (SIZE, config.input.enlarge)
    assert settings.scheme.name == config.data.scheme
    assert settings.jax_version == jax.__version__


def test_a_second_export_is_the_same_file_without_paths_of_this_machine(exported_run):
    workdir, file = exported_run
    first = file.read_bytes()
    exporter.export_run(workdir, file)
    assert file.read_bytes() == first
    assert str(pathlib.Path(exporter.__file__).parent).encode() not in first
    assert sorted(path.name for path in workdir.iterdir()) == ["checkpoints", "config.json", "run.export"]


def test_an_export_from_a_machine_with_a_gpu_runs_on_one_without(monkeypatch):
    """On a GPU, attention in bfloat16 uses cuDNN, which other platforms do not have."""
    config = tiny_config("lotr-tiny")
    config.model.dtype = "bfloat16"
    model, scheme = models.build_for(config), schemes.find(config.data.scheme)
    crops = np.random.default_rng(2).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    init = functools.partial(model.init, train=False)
    variables = random_like(jax.eval_shape(init, jax.random.key(0), jnp.zeros(crops.shape)))
    forward = make_forward(model, config, scheme, config.evaluate.mirror)
    cuda = types.SimpleNamespace(platform_version="PJRT C API cuda 13000")
    with monkeypatch.context() as patched:
        patched.setattr(transformer, "get_backend", lambda: cuda)
        assert transformer._implementation(jnp.zeros((8, 4, 2, 8), "bfloat16")) == "cudnn"
        network = jax.export.deserialize(bytearray(exporter.stage(forward, variables, SIZE)))
    points = network.call(by_name(variables), crops)["points"]
    np.testing.assert_allclose(points, jax.jit(forward)(variables, crops).points, rtol=1e-5, atol=1e-5)


def test_an_unwritable_path_is_refused_before_the_run_is_read(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of a file"):
        exporter.export_run(tmp_path / "absent", tmp_path)
    with pytest.raises(FileNotFoundError, match="absent holds no run"):
        exporter.export_run(tmp_path / "absent", tmp_path / "run.export")


@pytest.mark.parametrize(("name", "suffix"), [("run.pb", ".pb"), ("run", "no suffix")])
def test_an_unknown_suffix_is_refused_before_the_run_is_read(name, suffix, tmp_path):
    with pytest.raises(
        UserError, match=rf"{name} ends in {suffix}, expected one of \.export, \.onnx, \.safe"
    ):
        exporter.export_run(tmp_path / "absent", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
