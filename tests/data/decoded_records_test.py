"""Decoded records, kept in memory or not: equal batches, number of readings, and memory."""

import itertools

import cv2
import numpy as np
import pytest

from dsat_jax.config import default
from dsat_jax.data import datasets, decoded_records
from dsat_jax.data.batches import training_batches
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.records import DamagedRecord

TWO_EPOCHS = 16  # batches


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.train.batch_size = 8
    return config


@pytest.fixture
def source(config):
    return datasets.read_split(config, "train")


class CountedRecords(list):
    """Records that count how often each was read."""

    def __init__(self, records):
        super().__init__(records)
        self.readings = [0] * len(self)

    def __getitem__(self, index):
        self.readings[index] += 1
        return super().__getitem__(index)


def two_epochs(config, source):
    batches = training_batches(config, source, 0)
    taken = list(itertools.islice(batches, TWO_EPOCHS))
    batches.close()
    return taken


@pytest.mark.parametrize("threads", [0, 4])
def test_two_epochs_are_the_same_with_records_kept_or_not(config, source, threads):
    config.train.reader_threads = threads
    not_kept = two_epochs(config, source)
    config.train.keep_decoded = True
    for kept, expected in zip(two_epochs(config, source), not_kept, strict=True):
        assert set(kept) == set(expected)
        for name, array in expected.items():
            assert kept[name].dtype == array.dtype
            np.testing.assert_array_equal(kept[name], array)


@pytest.mark.parametrize(("keep", "readings"), [(False, 2), (True, 1)])
def test_kept_records_are_read_in_the_first_epoch_only(config, source, keep, readings):
    config.train.update(keep_decoded=keep, reader_threads=0)
    counted = CountedRecords(source)
    two_epochs(config, counted)
    assert counted.readings == [readings] * 64


@pytest.mark.parametrize("keep", [False, True])
def test_a_damaged_record_is_an_error_at_every_reading(source, keep):
    records = DecodedRecords([dict(source[0]) | {"image": source[0]["image"][:200]}], keep=keep)
    for _ in range(2):
        with pytest.raises(DamagedRecord, match=r"record 0 \(train/\d+\)"):
            records[0]


def test_a_kept_image_is_read_only(source):
    image = DecodedRecords(source, keep=True)[3]["image"]
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_the_memory_is_known_before_an_image_is_decoded(source):
    records = [dict(source[0]) | {"image": encode(size)} for size in ((40, 50), (20, 30))]
    records.append(records[0] | {"image": b"damaged"})
    kilobytes = (40 * 50 * 3 + 20 * 30 * 3) / 3 / 1000
    assert f"3 records x {kilobytes:.0f} kB = 0.00 GiB of " in decoded_records.planned_memory(records)


def test_each_reader_process_keeps_all_images(source):
    megabytes = dict(source[0]) | {"image": encode((1024, 2048))}
    expected = "in each of 3 reader processes: 2 records x 6291 kB x 3 = 0.04 GiB of "
    assert expected in decoded_records.planned_memory([megabytes] * 2, reader_processes=3)


def encode(size):
    return cv2.imencode(".png", np.zeros((*size, 3), np.uint8))[1].tobytes()


def test_a_kept_split_takes_the_planned_memory(config, source):
    kept = DecodedRecords(source, keep=True)
    needed = sum(record["image"].nbytes for record in kept)
    assert f"64 records x {needed / 64 / 1000:.0f} kB = {needed / 2**30:.2f} GiB of " in (
        decoded_records.planned_memory(source)
    )
