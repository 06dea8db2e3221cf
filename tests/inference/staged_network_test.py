"""The staged programs of the shipped networks: they predict as the networks that are traced from the weights files."""

import dataclasses
import pathlib
import shutil

import jax
import numpy as np
import pytest

from dsat_jax import Predictor, schemes
from dsat_jax.inference import export_archive, staged_network, trained_network
from dsat_jax.inference.forward import make_forward
from dsat_jax.weights import zoo

SMALL = "lotr-300w"  # the network that compiles faster


def random_crops(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def copied(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Copies the files of a shipped network to a folder; returns the copy of its programs."""
    for path in (zoo.weights(name), zoo.program(name)):
        shutil.copy(path, folder)
    return folder / f"{name}.export"


@pytest.mark.parametrize(
    ("name", "mirror"),
    [
        (zoo.DEFAULT, False),
        (zoo.DEFAULT, True),
        *(
            pytest.param(name, mirror, marks=pytest.mark.slow)
            for name in zoo.PRETRAINED
            for mirror in (False, True)
            if name != zoo.DEFAULT
        ),
    ],
)
def test_a_staged_network_predicts_as_the_traced_one(name, mirror):
    network = trained_network.load(zoo.weights(name))
    scheme = schemes.find(network.config.data.scheme)
    crops = random_crops(3, network.config.input.size)
    expected = jax.jit(make_forward(network.model, network.config, scheme, mirror))(network.variables, crops)
    forward, settings = staged_network.load_shipped(name)
    assert (settings.size, settings.enlarge) == (network.config.input.size, network.config.input.enlarge)
    assert settings.scheme == scheme
    for count in (1, 3):
        landmarks = forward(crops[:count], mirror)
        assert np.abs(landmarks.points - expected.points[:count]).max() < 1e-3  # pixels of the input
        for values, same in zip(landmarks[1:], expected[1:], strict=True):  # confidence and gates
            assert (values is None) == (same is None)
            if values is not None:
                np.testing.assert_allclose(values, same[:count], atol=1e-4)
    assert np.ptp(np.asarray(expected.points), axis=1).min() > 5  # the points of a face differ


@pytest.mark.parametrize("name", zoo.PRETRAINED)
def test_the_programs_contain_no_weights(name):
    export = export_archive.read(zoo.program(name))
    assert not export.weights
    assert zoo.program(name).stat().st_size < zoo.weights(name).stat().st_size
    assert export.network != export.mirrored


def test_the_mirrored_program_averages_with_the_mirrored_crops():
    """A crop and its mirror image have mirrored landmarks in the mirrored program alone."""
    forward, settings = staged_network.load_shipped(SMALL)
    crops = random_crops(1, settings.size)
    permutation = settings.scheme.mirror_permutation
    errors = []
    for mirror in (False, True):
        points, of_mirrored = (
            np.asarray(forward(images, mirror).points[0]) for images in (crops, crops[:, :, ::-1])
        )
        unmirrored = of_mirrored[permutation] * [-1, 1] + [settings.size - 1, 0]
        errors.append(np.abs(points - unmirrored).max())
    assert errors[0] > 0.1
    assert errors[1] < 1e-3


def without_envelope(program: bytes) -> bytes:
    """A program that JAX cannot deserialise."""
    return program[:1000]


def without_operations(program: bytes) -> bytes:
    """A program that JAX deserialises, but whose StableHLO operations it cannot read."""
    start = program.index(b"ML\xefR") + 8  # behind the first bytes of MLIR's binary form
    return program[:start] + b"\xff" * 200 + program[start + 200 :]


@pytest.mark.parametrize("change", [without_envelope, without_operations])
def test_an_unreadable_program_is_replaced_by_the_traced_network(tmp_path, monkeypatch, change):
    image = np.random.default_rng(1).integers(0, 256, (60, 70, 3)).astype(np.uint8)
    boxes = [[10, 5, 60, 50]]
    (expected,) = Predictor.pretrained(SMALL)(image, boxes, looks=1, mirror=False)
    program = copied(tmp_path, SMALL)
    export = export_archive.read(program)
    export_archive.write(program, dataclasses.replace(export, network=change(export.network)))
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    (face,) = Predictor.pretrained(SMALL)(image, boxes, looks=1, mirror=False)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=1e-3)


def test_programs_count_only_in_the_folder_of_the_shipped_networks(tmp_path, monkeypatch):
    """A copy elsewhere is an ordinary weights file, next to which programs do not count."""
    elsewhere = copied(tmp_path, SMALL)
    elsewhere.write_bytes(b"damaged")
    assert Predictor.from_run(tmp_path / f"{SMALL}.safetensors").scheme == schemes.W300_68
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"lotr-300w\.export is damaged"):
        Predictor.from_run(tmp_path / f"{SMALL}.safetensors")


def test_a_missing_program_is_an_error(tmp_path, monkeypatch):
    copied(tmp_path, SMALL).unlink()
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lotr-300w\.export is not a file, expected an export"):
        Predictor.pretrained(SMALL)


def test_options_that_xla_does_not_have_are_left_out(monkeypatch):
    monkeypatch.setattr(
        staged_network, "_CPU_OPTIONS", {"xla_of_the_future": 1, **staged_network._CPU_OPTIONS}
    )
    options = staged_network._compiler_options()
    assert "xla_of_the_future" not in options
    assert set(options) <= set(staged_network._CPU_OPTIONS)
    if jax.default_backend() == "cpu":
        assert "xla_cpu_experimental_ynn_fusion_type" in options  # of all versions of JAX that were tried
