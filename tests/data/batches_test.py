"""Batches from records: geometry, streams that do not depend on threads and processes, damaged images."""

import itertools

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.config import default
from dsat_jax.data import datasets
from dsat_jax.data.batches import FaceReader, evaluation_batches, training_batches
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.records import OCCLUDED, DamagedRecord, decode_picture
from dsat_jax.schemes import WFLW_98
from dsat_jax.warp import warp


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.input.size = 64
    config.train.batch_size = 8
    config.evaluate.batch_size = 6
    return config


@pytest.fixture
def source(config):
    return datasets.read_split(config, "train")


def first_batches(config, source, count, **arguments):
    batches = training_batches(config, source, arguments.pop("start_step", 0), **arguments)
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def test_batches_have_the_documented_arrays(config, source):
    (batch,) = first_batches(config, source, 1)
    assert {name: (array.shape, array.dtype.name) for name, array in batch.items()} == {
        "image": ((8, 64, 64, 3), "uint8"),
        "points": ((8, 98, 2), "float32"),
        "weights": ((8, 98), "float32"),
        "to_original": ((8, 2, 3), "float64"),
        "record": ((8,), "int32"),
        "damaged": ((8,), "bool"),
    }


def test_a_sample_of_the_released_size_sends_at_most_50_kb_to_the_device(config, source):
    config.input.size = 128
    (batch,) = first_batches(config, source, 1)
    sent = sum(batch[name].nbytes for name in ("image", "points", "weights", "damaged"))
    assert sent / config.train.batch_size <= 51_200


def test_original_coordinates_come_back_from_every_element(config, source):
    (batch,) = first_batches(config, source, 1)
    for row, index in enumerate(batch["record"]):
        record = source[index]
        expected = geometry.transform_points(record["to_original"], record["landmarks"].astype(np.float64))
        points = geometry.transform_points(batch["to_original"][row], batch["points"][row].astype(np.float64))
        mirrored = np.linalg.det(batch["to_original"][row][:, :2]) < 0
        if mirrored:
            points = points[WFLW_98.mirror_permutation]
        np.testing.assert_allclose(points, expected, atol=1e-3)


def test_points_move_with_the_image(config, source):
    """The bright dot that an image has at each landmark stays under the point, mirrored or not."""
    record = dict(source[3])
    shape = decode_picture(record["image"], "record").shape
    visible = (0, 16, 32, 54, 60, 72, 76, 82)  # far enough apart for one dot each
    checked = 0
    for seed in range(4):
        for point in visible:
            canvas = np.zeros(shape, np.float32)
            x, y = record["landmarks"][point] * 16
            cv2.circle(
                canvas, (round(float(x)), round(float(y))), 3 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4
            )
            drawn = record | {"image": canvas.astype(np.uint8)}
            reader = FaceReader([drawn], WFLW_98, config.input, config.augment)
            sample = reader.training_sample(0, np.random.default_rng(seed))
            light = sample["image"].astype(np.float64).sum(axis=-1)
            mirrored = np.linalg.det(sample["to_original"][:, :2]) < 0
            label = sample["points"][WFLW_98.mirror_permutation[point] if mirrored else point]
            if not (label.min() > 4 and label.max() < 59):
                continue  # the border cuts the dot
            grid_y, grid_x = np.mgrid[:64, :64]
            centre = np.array([(grid_x * light).sum(), (grid_y * light).sum()]) / light.sum()
            np.testing.assert_allclose(centre, label, atol=0.25)
            checked += 1
    assert checked > 16


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_one_stream(config, source, processes):
    whole = first_batches(config, source, 3)
    parts = [
        first_batches(config, source, 3, process_index=index, process_count=processes)
        for index in range(processes)
    ]
    for step in range(3):
        for name in ("record", "image", "points"):
            together = np.concatenate([part[step][name] for part in parts])
            np.testing.assert_array_equal(together, whole[step][name])


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_reader_threads_do_not_change_the_stream(config, source, threads):
    expected = first_batches(config, source, 2)
    config.train.reader_threads = threads
    for batch, reference in zip(first_batches(config, source, 2), expected, strict=True):
        np.testing.assert_array_equal(batch["image"], reference["image"])


def test_a_stream_resumes_from_a_step(config, source):
    whole = first_batches(config, source, 12)
    later = first_batches(config, source, 2, start_step=10)
    for batch, reference in zip(later, whole[10:], strict=True):
        np.testing.assert_array_equal(batch["points"], reference["points"])


def test_batches_for_resident_records_have_the_same_records_in_the_same_order(config, source):
    """In each step, after a resumption, and in parts for processes; a step sends four bytes for each face."""
    whole = [batch["record"] for batch in first_batches(config, source, 12)]
    config.data.resident = True
    numbers = first_batches(config, source, 12)
    for batch, records in zip(numbers, whole, strict=True):
        assert set(batch) == {"record"}
        assert batch["record"].dtype == np.int32
        assert batch["record"].nbytes == 4 * config.train.batch_size
        np.testing.assert_array_equal(batch["record"], records)
    (later,) = first_batches(config, source, 1, start_step=10)
    np.testing.assert_array_equal(later["record"], whole[10])
    parts = [
        first_batches(config, source, 2, process_index=index, process_count=2, start_step=5)
        for index in range(2)
    ]
    for step in range(2):
        together = np.concatenate([part[step]["record"] for part in parts])
        np.testing.assert_array_equal(together, whole[5 + step])


def test_an_epoch_shows_every_face_once_and_the_next_in_another_order(config, source):
    records = np.concatenate([batch["record"] for batch in first_batches(config, source, 16)])
    np.testing.assert_array_equal(np.sort(records[:64]), np.arange(64))
    np.testing.assert_array_equal(np.sort(records[64:]), np.arange(64))
    assert (records[:64] != records[64:]).any()


def test_evaluation_counts_every_face_once_with_its_attributes(config):
    source = datasets.read_split(config, "test")
    batches = list(evaluation_batches(config, source, 6))
    assert [len(batch["record"]) for batch in batches] == [6, 6, 6]
    records = np.concatenate([batch["record"][batch["mask"]] for batch in batches])
    np.testing.assert_array_equal(records, np.arange(16))
    assert set(batches[0]["attributes"]) == {
        "pose",
        "expression",
        "illumination",
        "makeup",
        "occlusion",
        "blur",
    }


def test_evaluation_carries_each_faces_box_in_original_pixels(config):
    source = datasets.read_split(config, "test")
    boxes = np.concatenate([batch["box"] for batch in evaluation_batches(config, source, 6)])
    assert boxes.dtype == np.float64
    for box, record in zip(boxes[:16], source, strict=True):
        labels = geometry.transform_points(record["to_original"], record["landmarks"].astype(np.float64))
        # The builder stores the boxes of the landmarks, because it has no other face boxes.
        np.testing.assert_allclose(box, geometry.box_of_points(labels), atol=1e-3)


def test_evaluation_marks_the_occluded_landmarks(config):
    source = datasets.read_split(config, "test")
    occluded = np.concatenate([batch["occluded"] for batch in evaluation_batches(config, source, 6)])
    expected = [record["visibility"] == OCCLUDED for record in source]
    np.testing.assert_array_equal(occluded[:16], expected)
    assert 0 < np.mean(expected) < 0.5


def test_a_damaged_image_is_masked_in_training_and_refused_in_evaluation(config, source):
    broken = DecodedRecords([dict(source[0]) | {"image": source[0]["image"][:200]}])
    reader = FaceReader(broken, WFLW_98, config.input, config.augment)
    sample = reader.training_sample(0, np.random.default_rng(0))
    assert sample["damaged"]
    assert (sample["weights"] == 0).all()
    with pytest.raises(DamagedRecord, match=r"record 0 \(train/\d+\)"):
        reader.test_sample(0)


def test_a_large_image_is_averaged_down_and_stays_in_place():
    y, x = np.mgrid[:512, :512]
    stripes = np.where((x + y) % 2, 255, 0).astype(np.uint8)[..., None].repeat(3, -1)
    matrix = geometry.resize_matrix(0.125)
    assert np.ptp(warp(stripes, matrix, 64)[2:-2, 2:-2]) <= 2  # no aliasing of the finest pattern
    ramp = (x / 2).astype(np.uint8)[..., None].repeat(3, -1)
    row = warp(ramp, matrix, 64)[32, 8:56, 0].astype(float)
    np.testing.assert_allclose(row, ((np.arange(8, 56) + 0.5) * 8 - 0.5) / 2, atol=1.0)
