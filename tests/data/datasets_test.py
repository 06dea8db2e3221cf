"""The splits, records and schemes of a run's dataset, and the errors about those that do not exist."""

import json
import re
import shutil

import numpy as np
import pytest

from dsat_jax import schemes
from dsat_jax.config import default
from dsat_jax.data import datasets, mixture
from dsat_jax.schemes import WFLW_98
from tfds_builders import load_builder

CORNERS = [60, 72, 76]  # outer eye corners and a mouth corner of the 98 landmarks


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    return config


def test_records_are_in_random_access_and_end(config):
    records = datasets.read_split(config, "train[:3]")
    assert len(records) == 3
    names = [record["name"] for record in records]
    assert records[2]["name"] == names[2]
    assert len(set(names)) == 3
    for index in (3, -1):
        with pytest.raises(IndexError):
            records[index]


def test_landmarks_of_a_record_are_converted():
    record = {
        "landmarks": np.arange(196.0).reshape(98, 2),
        "visibility": np.arange(98),
        "name": b"a.jpg",
    }
    records = datasets.DatasetRecords([record], "here", np.array(CORNERS))
    converted = records[0]
    np.testing.assert_array_equal(converted["landmarks"], record["landmarks"][CORNERS])
    np.testing.assert_array_equal(converted["visibility"], CORNERS)
    assert converted["name"] == b"a.jpg"
    assert datasets.DatasetRecords([record], "here")[0] is record


def test_a_split_in_another_scheme_has_its_landmarks(config, caplog):
    original = datasets.read_split(config, "test")[0]
    config.data.scheme = "w300_68"
    converted = datasets.read_split(config, "test")[0]
    assert "test: labels of wflw_98 are converted to w300_68" in caplog.text
    indices = schemes.conversion_indices(WFLW_98, schemes.find("w300_68"))
    np.testing.assert_array_equal(converted["landmarks"], original["landmarks"][indices])
    np.testing.assert_array_equal(converted["visibility"], original["visibility"][indices])


def test_a_configuration_without_a_scheme_gets_that_of_its_dataset(config):
    assert datasets.dataset_scheme(config) is WFLW_98
    assert mixture.with_scheme(config) is config
    config.data.scheme = ""
    assert schemes.find(mixture.with_scheme(config).data.scheme) == WFLW_98
    assert config.data.scheme == ""


def test_the_test_splits_of_a_dataset_and_those_that_it_lacks(config, caplog):
    assert datasets.test_splits(config, ()) == ["test"]
    assert datasets.test_splits(config, ("a", "test", "test[:3]")) == ["test", "test[:3]"]
    assert "this copy of synthetic_faces/tiny has no a: left out" in caplog.text
    with pytest.raises(ValueError, match="none of the splits a, b; it has test, train"):
        datasets.test_splits(config, ("a", "b"))


def test_attributes_are_in_the_order_of_the_builder(config):
    expected = ["pose", "expression", "illumination", "makeup", "occlusion", "blur"]
    assert datasets.attribute_names(config) == expected


@pytest.mark.parametrize("split", ["train[5:2]", "test[:1%]", "test[16:]+train[:0]"])
def test_a_part_without_faces_is_refused_with_the_sizes_of_the_splits(config, split):
    message = f"synthetic_faces/tiny has no face in '{split}'; its splits are test (16), train (64)"
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        datasets.read_split(config, split)


def test_a_validation_split_without_faces_is_refused_with_a_larger_one(config):
    config.data.validation = "train[64:]"
    advice = "a larger part: --config.data.train='train[:80%]' --config.data.validation='train[80%:]'"
    with pytest.raises(ValueError, match=re.escape(advice)):
        datasets.read_split(config, config.data.validation)


@pytest.mark.parametrize("split", ["dev", "train[:95%", "train+dev"])
def test_a_split_that_does_not_exist_is_refused_with_the_known_ones(config, split):
    message = f"synthetic_faces/tiny has no split '{split}'; it has test, train"
    with pytest.raises(ValueError, match=re.escape(message)):
        datasets.read_split(config, split)


def test_the_split_of_a_partial_copy_is_refused_with_a_division_of_what_is_there(config):
    config.data.train = "large[:95%]"
    advice = (
        "To divide what it has: --config.data.train='train[:80%]' --config.data.validation='train[80%:90%]'"
    )
    with pytest.raises(ValueError, match=re.escape(advice)):
        datasets.read_split(config, config.data.train)


def test_a_conversion_that_does_not_exist_is_refused(config):
    config.data.scheme = "cofw_29"
    with pytest.raises(ValueError, match="landmarks of wflw_98 cannot be converted to cofw_29"):
        datasets.read_split(config, "train")


def test_a_dataset_that_was_not_built_is_refused_with_the_command_that_builds_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m tfds_builders\.build w300 --manual_dir=DIR"):
        load_builder("w300", tmp_path)


def test_a_dataset_that_draws_its_images_is_built_once(config, tmp_path):
    config.data.data_dir = str(tmp_path)
    config.data.dataset = "w300"
    datasets.build_if_generated(config)  # cannot be drawn: nothing is built
    assert not list(tmp_path.iterdir())
    config.data.dataset = "synthetic_faces/tiny"
    datasets.build_if_generated(config)
    (info,) = tmp_path.rglob("dataset_info.json")
    assert json.loads(info.read_text())["name"] == "synthetic_faces"
    written = info.stat().st_mtime_ns
    datasets.build_if_generated(config)
    assert info.stat().st_mtime_ns == written


def test_damaged_files_of_a_built_dataset_are_an_error(config, tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "data")
    config.data.data_dir = str(tmp_path / "data")
    (file,) = (tmp_path / "data").rglob("*test.array_record*")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(
        OSError, match=r"tiny/1\.0\.0: record 0 cannot be read .*; delete that folder and build"
    ):
        datasets.read_split(config, "test")[0]
