"""Batches from resident records: the crops of the host for the same draws, and their distribution.

`python tests/training/device_crops_test.py DATA_DIR` compares the batches of meshes of one, two and four devices.
"""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from dsat_jax import schemes
from dsat_jax.config import default
from dsat_jax.data import datasets, resident_records
from dsat_jax.data.batches import FaceReader
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.records import UNKNOWN, make_record
from dsat_jax.runtime import sharding
from dsat_jax.training import device_crops

ROOT = pathlib.Path(__file__).parents[2]
SCHEME = schemes.WFLW_98
# Points of the eyes and the mouth in docs/astronaut.jpg.
ASTRONAUT_BOX = np.array([270.0, 90.0, 400.0, 240.0])


def tiny_config(data_dir: str, size: int = 64):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=data_dir, scheme="wflw_98", resident=True)
    config.input.size = size
    return config


def batch_of(source, indices, config, mesh: Mesh, key):
    """Returns the batch of some records and their draws, on the host."""
    planned = resident_records.plan(source, config, mesh)
    records = resident_records.load(planned, source, config, mesh)

    @jax.jit
    def cut(records, indices):
        jitter = device_crops.draw_jitter(key, len(indices), config.augment)
        return device_crops.cut(records, indices, jitter, config, SCHEME, mesh), jitter

    placed = sharding.place_batch({"record": np.array(indices, np.int32)}, mesh)["record"]
    return jax.device_get(cut(records, placed))


class ReplayedDraws:
    """A generator that returns the draws of one face of a batch, in the order in which the host makes them."""

    def __init__(self, jitter: device_crops.Jitter, face: int):
        self._mirror = bool(jitter.mirror[face])
        self._uniform = iter(np.float64(draws[face]) for draws in jitter[1:])

    def random(self) -> float:
        return 0.0 if self._mirror else 1.0

    def uniform(self, low: float, high: float, size: int | None = None) -> np.ndarray:
        draw = next(self._uniform)
        # float32 rounds the ends of the interval.
        assert (draw >= np.float32(low)).all()
        assert (draw <= np.float32(high)).all()
        assert np.shape(draw) == (() if size is None else (size,))
        return draw


@pytest.fixture
def config(tiny_dataset):
    return tiny_config(tiny_dataset)


@pytest.fixture
def source(config):
    """Faces with unknown points, a damaged image, a large photograph, and noise, in which any wrong position shows."""
    records = [dict(record) for record in datasets.read_split(config, "train[:12]")]
    records[3]["visibility"] = np.where(np.arange(98) % 3, records[3]["visibility"], UNKNOWN)
    records[5]["image"] = records[5]["image"][:-200]
    photograph = (ROOT / "docs" / "astronaut.jpg").read_bytes()
    rng = np.random.default_rng(0)
    points = rng.uniform(ASTRONAUT_BOX[:2], ASTRONAUT_BOX[2:], (98, 2))
    records.append(make_record(cut=False, picture=photograph, landmarks=points, name="astronaut"))
    noise = rng.integers(0, 256, (110, 140, 3), dtype=np.uint8)
    points = rng.uniform([20, 10], [100, 90], (98, 2))
    records.append(make_record(cut=False, picture=noise, landmarks=points, name="noise"))
    return [record | {"name": b"a face"} for record in records]


@pytest.mark.parametrize("size", [32, 96])
def test_crops_and_points_are_those_of_the_host_for_the_same_draws(config, source, size):
    """At 96 pixels the faces are enlarged and reduced, at 32 pixels the photograph shrinks to a quarter."""
    config.input.size = size
    indices = [*range(14), 12, 12, 13, 13, 13, 3]
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    batch, jitter = batch_of(source, indices, config, mesh, jax.random.key(7))
    assert 0 < jitter.mirror.sum() < len(indices)
    reader = FaceReader(DecodedRecords(source), SCHEME, config.input, config.augment)
    for face, index in enumerate(indices):
        expected = reader.training_sample(index, ReplayedDraws(jitter, face))
        difference = np.abs(batch["image"][face].astype(int) - expected["image"])
        assert difference.max() <= 1, (index, difference.max())
        np.testing.assert_allclose(batch["points"][face], expected["points"], rtol=0, atol=1e-3)
        np.testing.assert_array_equal(batch["weights"][face], expected["weights"])
        assert batch["damaged"][face] == expected["damaged"] == (index == 5)
        assert batch["image"][face].any() == (index != 5)


def test_rotations_from_the_whole_circle_have_their_share(config):
    config.augment.update(rotation=10.0, any_rotation=0.25)
    angles = np.asarray(device_crops.draw_jitter(jax.random.key(2), 20_000, config.augment).angle)
    # A quarter is uniform on the circle, of which the other rotations take 20 of 360 degrees.
    assert (np.abs(angles) > 10).mean() == pytest.approx(0.25 * 340 / 360, abs=0.01)
    assert np.histogram(angles[np.abs(angles) > 10], 4, (-180, 180))[0].min() > 800
    assert resident_records.largest_rotation(config) == 180


def test_draws_have_the_distribution_of_the_host(config):
    count, augment = 20_000, config.augment
    jitter = device_crops.draw_jitter(jax.random.key(1), count, augment)
    reader_draws = {
        "angle": (-augment.rotation, augment.rotation),
        "scale": tuple(augment.scale),
        "shift": (-augment.shift, augment.shift),
    }
    shares = np.linspace(0, 1, 11)
    for name, (low, high) in reader_draws.items():
        draws = np.asarray(getattr(jitter, name)).reshape(count, -1)
        quantiles = (np.quantile(draws, shares, axis=0) - low) / (high - low)
        # The standard deviation of the median is 0.5 / sqrt(20,000) = 0.0035.
        np.testing.assert_allclose(quantiles, np.repeat(shares[:, None], draws.shape[1], axis=1), atol=0.02)
    assert abs(np.asarray(jitter.mirror).mean() - 0.5) < 0.02
    together = np.corrcoef(np.column_stack([np.asarray(draws, float) for draws in jitter]).T)
    assert np.abs(together - np.eye(5)).max() < 0.04


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_probability_of_mirroring_is_that_of_the_configuration(config, probability):
    config.augment.mirror = probability
    mirror = device_crops.draw_jitter(jax.random.key(1), 50, config.augment).mirror
    assert (np.asarray(mirror) == bool(probability)).all()


def test_one_two_and_four_devices_make_identical_batches(tiny_dataset):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0",
    }
    done = subprocess.run(
        [sys.executable, __file__, tiny_dataset], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "compared 2 meshes"


def compare_meshes(data_dir: str) -> None:
    """Compares the batches of meshes of two and four devices with that of one, bit for bit."""
    config = tiny_config(data_dir, size=32)
    source = datasets.read_split(config, "train[:13]")  # not a multiple of the devices
    indices, devices = [12, 0, 5, 5, 7, 3, 11, 1], jax.devices()
    one, draws = batch_of(source, indices, config, sharding.make_mesh(1, devices[:1]), jax.random.key(7))
    assert one["image"].std() > 20
    meshes = [sharding.make_mesh(model, devices[:count]) for count, model in ((2, 1), (4, 2))]
    for mesh in meshes:
        other, other_draws = batch_of(source, indices, config, mesh, jax.random.key(7))
        for expected, found in zip(
            jax.tree.leaves((one, draws)), jax.tree.leaves((other, other_draws)), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    print(f"compared {len(meshes)} meshes")


if __name__ == "__main__":
    compare_meshes(sys.argv[1])
