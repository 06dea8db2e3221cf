"""Datasets in a bucket, and their copies on the local disk."""

import collections
import pathlib
import shutil

import numpy as np
import pytest
from made_runs import tiny_config

from dsat_jax.data import bucket_datasets, datasets
from dsat_jax.errors import UserError

DATASET = pathlib.PurePath("synthetic_faces/tiny/1.0.0")
SPACE = collections.namedtuple("SPACE", ["free"])

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of aiohttp


@pytest.fixture
def data_dir(bucket_folder, tiny_dataset, tmp_path, monkeypatch) -> str:
    """A root folder in a bucket with synthetic_faces/tiny; copies go to a folder of the test."""
    for file in sorted((pathlib.Path(tiny_dataset) / DATASET).iterdir()):
        (bucket_folder / DATASET / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bucket_datasets.copied.cache_clear()
    return str(bucket_folder)


def config_of(data_dir: str | None):
    config = tiny_config("learned")
    config.data.dataset, config.data.data_dir = "synthetic_faces/tiny", data_dir
    return config


def downloads(bucket) -> list[str]:
    return [path for _, path in bucket.requests if "alt=media" in path and "array_record" in path]


def assert_same_records(data_dir: str | None, local: str) -> None:
    ours, theirs = (datasets.read_split(config_of(folder), "train[:5]") for folder in (data_dir, local))
    assert len(ours) == 5
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["image"] == other["image"]
        np.testing.assert_array_equal(mine["landmarks"], other["landmarks"])


def test_a_dataset_is_copied_once_and_has_the_same_records(bucket, data_dir, tiny_dataset, caplog):
    bucket.requests.clear()
    assert_same_records(data_dir, tiny_dataset)
    first = downloads(bucket)
    assert len(first) == 2  # one file for each of two splits
    bucket_datasets.copied.cache_clear()  # as in another process
    assert datasets.test_splits(config_of(data_dir), ()) == ["test"]
    assert downloads(bucket) == first
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        f"copying {data_dir}/{DATASET}"
    ]


def test_the_environment_variable_may_name_a_bucket(data_dir, tiny_dataset, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", data_dir)
    assert_same_records(None, tiny_dataset)


def test_a_dataset_that_was_built_again_is_copied_again(bucket, data_dir):
    before = bucket_datasets.copied(data_dir, DATASET)
    key = ("bucket", f"{data_dir.removeprefix('gs://bucket/')}/{DATASET}/skipped.txt")
    bucket.objects[key] = (b"Another build.\n", 2_000_000)
    bucket_datasets.copied.cache_clear()
    after = bucket_datasets.copied(data_dir, DATASET)
    assert (after / DATASET / "skipped.txt").read_text() == "Another build.\n"
    assert before != after
    assert before.is_dir()  # a run may still read it


def test_the_remains_of_a_killed_copy_are_removed(data_dir, tiny_dataset):
    copy = bucket_datasets.copied(data_dir, DATASET)
    shutil.move(copy, copy.with_suffix(".partial"))
    next((copy.with_suffix(".partial") / DATASET).glob("*train*")).write_bytes(b"half")
    bucket_datasets.copied.cache_clear()
    assert_same_records(data_dir, tiny_dataset)
    assert not copy.with_suffix(".partial").exists()


def test_a_missing_dataset_is_named_with_the_commands_that_put_it_there(bucket_folder):
    with pytest.raises(FileNotFoundError) as caught:
        datasets.build_if_generated(config_of(f"{bucket_folder}/none"))
    assert "python -m tfds_builders.build synthetic_faces/tiny --data_dir=DIR" in str(caught.value)
    assert f"gcloud storage rsync -r DIR/synthetic_faces {bucket_folder}/none/synthetic_faces`" in str(
        caught.value
    )


def test_a_dataset_larger_than_the_disk_is_refused_before_it_is_copied(bucket, data_dir, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SPACE(free=1_000_000))
    bucket.requests.clear()
    with pytest.raises(UserError, match=r"has 0\.00\d GB, which do not fit into the 0.001 GB"):
        bucket_datasets.copied(data_dir, DATASET)
    assert downloads(bucket) == []
