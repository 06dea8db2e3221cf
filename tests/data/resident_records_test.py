"""Records on the devices: their pixels and annotations, the reach of crops, memory, and damaged images."""

import cv2
import jax
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.config import default
from dsat_jax.data import datasets, resident_records
from dsat_jax.records import UNKNOWN, decode_picture
from dsat_jax.runtime import sharding
from dsat_jax.warp import warp


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98", resident=True)
    config.input.size = 64
    return config


@pytest.fixture
def source(config):
    return datasets.read_split(config, "train[:7]")


@pytest.fixture
def mesh():
    return sharding.make_mesh()


def encode(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def record_of(image: np.ndarray, box: list[float], like: dict) -> dict:
    return {**like, "image": encode(image), "box": np.array(box, np.float32), "name": b"drawn"}


def test_rows_are_the_records(config, source, mesh):
    records = [dict(record) for record in source]
    records[2]["visibility"] = np.where(np.arange(98) % 2, records[2]["visibility"], UNKNOWN)
    planned = resident_records.plan(records, config, mesh)
    loaded = resident_records.load(planned, records, config, mesh)
    held = jax.device_get(loaded)
    for row, record in enumerate(records):
        image = decode_picture(record["image"], "record")
        (x, y), (width, height) = planned.low[row], planned.sizes[row]
        np.testing.assert_array_equal(held.limits[row], [width, height])
        part = held.images[row].transpose(1, 2, 0)
        np.testing.assert_array_equal(part[:height, :width], image[y : y + height, x : x + width])
        assert not part[height:].any()
        assert not part[:, width:].any()
        np.testing.assert_allclose(held.landmarks[row] + [x, y], record["landmarks"], atol=1e-4)
        np.testing.assert_array_equal(held.weights[row], record["visibility"] != UNKNOWN)
        crop = geometry.crop_matrix(record["box"], 64, config.input.enlarge)
        corners = np.array([[0.0, 0.0], [50.0, 70.0]])
        np.testing.assert_allclose(
            geometry.transform_points(held.crops[row].astype(float).sum(axis=0), corners),
            geometry.transform_points(crop, corners + np.array([x, y])),
            atol=1e-9,
        )


def test_a_damaged_image_leaves_an_empty_row(config, source, mesh):
    records = [dict(record) for record in source]
    records[1]["image"] = records[1]["image"][:-200]  # its header is intact
    records[4]["image"] = b"damaged"
    planned = resident_records.plan(records, config, mesh)
    held = jax.device_get(resident_records.load(planned, records, config, mesh))
    empty = [index for index in range(len(records)) if not held.limits[index].any()]
    assert empty == [1, 4]
    assert not held.images[empty].any()
    assert not held.weights[empty].any()


@pytest.mark.parametrize("size", [16, 64])
def test_parts_contain_every_crop(config, source, mesh, size):
    """Crops of the part equal those of the whole image at the ends of all ranges; at 16 pixels they are averaged."""
    config.input.size = size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    records = [record_of(noise, box, source[0]) for box in ([150, 120, 210, 190], [5, 200, 90, 290])]
    planned = resident_records.plan(records, config, mesh)
    assert (planned.sizes < [400, 300]).all()
    augment = config.augment
    for index in range(2):
        (x, y), (width, height) = planned.low[index], planned.sizes[index]
        part = noise[y : y + height, x : x + width]
        for angle in (-augment.rotation, 0.0, augment.rotation):
            for shift in ([1, 1], [-1, 1], [1, -1], [-1, -1], [0, 1]):
                jitter = geometry.jitter_matrix(
                    size, angle, augment.scale[0], augment.shift * size * np.array(shift), mirror=False
                )
                matrix = geometry.compose(jitter, planned.crops[index])
                of_part = geometry.compose(matrix, np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))
                np.testing.assert_array_equal(warp(part, of_part, size), warp(noise, matrix, size))


def test_the_lowest_scale_is_that_of_the_largest_face_and_the_lowest_jitter(config, source, mesh):
    image = np.zeros((300, 300, 3), np.uint8)
    config.input.enlarge = 0.0
    config.augment.scale = (0.5, 2.0)
    records = [record_of(image, box, source[0]) for box in ([10, 10, 31, 31], [20, 20, 272, 272])]
    # 63 input pixels for the 252 pixels of the larger box
    assert resident_records.plan(records, config, mesh).lowest_scale == pytest.approx(0.5 * 63 / 252)


def test_the_memory_is_known_before_an_image_is_decoded(config, source, mesh):
    config.input.enlarge = 2.0  # crops reach beyond the images
    images = [np.zeros((40, 50, 3), np.uint8), np.zeros((60, 30, 3), np.uint8)]
    records = [record_of(image, [5, 5, 25, 25], source[0]) for image in images]
    planned = resident_records.plan(records, config, mesh)
    row = 3 * 60 * 50 + 2 * 4 + 98 * 2 * 4 + 98 * 4 + 12 * 4
    assert planned.row_bytes == row
    loaded = resident_records.load(planned, records, config, mesh)
    assert sum(array.nbytes for array in jax.tree.leaves(loaded)) == row * planned.rows
    line = resident_records.memory(planned, mesh)
    assert line.startswith(
        "2 training images of at most 50 x 60 px stay on the devices: 2 records x 10 kB, 0.00 GiB of "
    )


def test_images_that_do_not_fit_are_refused(mesh):
    count = 1_000_000
    planned = resident_records.Plan(
        low=np.zeros((count, 2), int),
        sizes=np.full((count, 2), 4096),
        crops=np.zeros((count, 2, 3)),
        points=68,
        lowest_scale=1.0,
        rows=count,
    )
    needed = (3 * 4096**2 + 2 * 4 + 68 * 12 + 48) * count / mesh.size / 2**30
    with pytest.raises(
        ValueError, match=rf"config\.data\.resident is true, but .* take {needed:.2f} GiB on "
    ):
        resident_records.memory(planned, mesh)


def test_rows_are_spread_evenly_over_the_devices(config, source, mesh):
    planned = resident_records.plan(source, config, mesh)
    assert planned.rows == sharding.spread(7)
    loaded = resident_records.load(planned, source, config, mesh)
    for array in jax.tree.leaves(loaded):
        assert {shard.data.shape[0] for shard in array.addressable_shards} == {planned.rows // mesh.size}
