"""Reader processes: the stream of the threads, their errors, and no process that outlives its training."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from dsat_jax.config import default
from dsat_jax.data import datasets
from dsat_jax.data.batches import training_batches

TWO_EPOCHS = 16  # batches
TRAINING = """
import sys
import psutil
from dsat_jax.config import default
from dsat_jax.data import datasets
from dsat_jax.data.batches import training_batches

config = default()
config.data.update(dataset="synthetic_faces/tiny", data_dir=sys.argv[1], scheme="wflw_98")
config.train.reader_processes = 2
for _ in training_batches(config, datasets.read_split(config, "train"), 0):
    print(*[child.pid for child in psutil.Process().children()], flush=True)
"""


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.input.size = 64
    config.train.update(batch_size=8, reader_threads=0, reader_processes=2)
    return config


@pytest.fixture
def source(config):
    return datasets.read_split(config, "train")


def without_processes(config):
    threaded = config.copy_and_resolve_references()
    threaded.train.reader_processes = 0
    return threaded


def taken(batches, count):
    return list(itertools.islice(batches, count))


def assert_same(batches, expected):
    for batch, reference in zip(batches, expected, strict=True):
        assert set(batch) == set(reference)
        for name, array in reference.items():
            assert batch[name].dtype == array.dtype
            np.testing.assert_array_equal(batch[name], array)


def readers():
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "dsat_jax.data.reader_processes" in child.cmdline()]


def test_two_epochs_are_those_of_the_threads_and_a_damaged_image_is_masked(config, source):
    records = [dict(record) for record in source]
    records[3]["image"] = records[3]["image"][:200]
    batches = training_batches(config, records, 0)
    read = taken(batches, TWO_EPOCHS)
    batches.close()
    assert_same(read, taken(training_batches(without_processes(config), records, 0), TWO_EPOCHS))
    damaged = np.concatenate([batch["record"][batch["damaged"]] for batch in read])
    assert damaged.tolist() == [3, 3]


def test_a_resumed_stream_ignores_stop_signals_and_leaves_no_process(config, source):
    rest = training_batches(config, source, 5, process_index=1, process_count=2)
    read = [next(rest)]
    assert len(readers()) == 2
    for reader in readers():  # a terminal sends Ctrl-C to them as well
        reader.send_signal(signal.SIGINT)
        reader.send_signal(signal.SIGTERM)
    read += taken(rest, 10)
    rest.close()
    assert readers() == []
    threaded = training_batches(without_processes(config), source, 5, process_index=1, process_count=2)
    assert_same(read, taken(threaded, 11))


def test_a_damaged_file_has_the_same_message_and_leaves_no_process(config, tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "data")
    config.data.data_dir = str(tmp_path / "data")
    (file,) = (tmp_path / "data").rglob("*train.array_record*")
    file.write_bytes(file.read_bytes()[:1000])
    source = datasets.read_split(config, "train")
    messages = []
    for each in (config, without_processes(config)):
        with pytest.raises(OSError, match=r"tiny/1\.0\.0: record \d+ cannot be read") as error:
            next(training_batches(each, source, 0))
        messages.append(str(error.value))
        assert readers() == []
    assert messages[0] == messages[1]


def test_a_killed_reader_process_is_an_error(config, source):
    batches = training_batches(config, source, 0)
    next(batches)
    for reader in readers():
        reader.kill()
    with pytest.raises(OSError, match="a reader process ended with exit code -9, expected it to run"):
        taken(batches, 100)
    assert readers() == []


def test_reader_processes_end_with_a_killed_training(tiny_dataset, tmp_path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, script, tiny_dataset],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as training:
        children = [int(number) for number in training.stdout.readline().split()]
        training.kill()
    assert len(children) == 2
    deadline = time.monotonic() + 30
    while any(map(psutil.pid_exists, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [number for number in children if psutil.pid_exists(number)] == []
