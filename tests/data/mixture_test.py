"""Training on several datasets: shares, schemes, unknown landmarks, and entries that are refused."""

import collections
import itertools
import pathlib

import numpy as np
import pytest
from made_folders import build_five

from dsat_jax import schemes
from dsat_jax.config import check_config, default
from dsat_jax.data import mixture
from dsat_jax.data.batches import training_batches
from dsat_jax.records import UNKNOWN


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A folder of built datasets with a landmark_folder of five points: 5 training and 3 test faces."""
    root = tmp_path_factory.mktemp("folder")
    return str(build_five(root, same_in_w300=[[2, 30], [3, 48], [4, 54]]))


@pytest.fixture
def config(tiny_dataset, folder):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, train="train", scheme="")
    config.data.mixture = (f"landmark_folder train 0.25 {folder}",)
    config.input.size = 32
    config.train.batch_size = 8
    return config


def batches_of(config, count):
    stream = training_batches(config, mixture.read_training(config), 0)
    taken = list(itertools.islice(stream, count))
    stream.close()
    return taken


def test_a_dataset_alone_is_its_own_mixture(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, train="train", scheme="wflw_98")
    (alone,) = mixture.each_alone(config)
    assert alone.data == config.data
    assert mixture.ingredients(config) == [mixture.Ingredient("synthetic_faces/tiny", "train", 1.0)]
    assert mixture.with_scheme(config) is config
    assert mixture.evaluated(config) is config


def test_every_record_labels_the_landmarks_of_its_scheme(config, folder):
    config = mixture.with_scheme(config)
    joint = schemes.find(config.data.scheme)
    assert [part.scheme.name for part in joint.parts] == ["wflw_98", "five"]
    source = mixture.read_training(config)
    drawn, own = (len(part) for part in source.parts)
    assert len(source) == drawn + own == 64 + 5
    assert (source[0]["visibility"] != UNKNOWN).tolist() == [True] * 98 + [False] * 5
    assert (source[63]["visibility"] != UNKNOWN).sum() == 98
    first = source[64]
    assert (first["visibility"] != UNKNOWN).tolist() == [False] * 98 + [True] * 5
    assert np.ptp(first["landmarks"][98:], axis=0).min() > 20
    assert not first["landmarks"][:98].any()
    assert first["visibility"].dtype == np.uint8
    with pytest.raises(IndexError):
        source[69]
    assert mixture.described(config, source) == (
        f"synthetic_faces/tiny train: 64 (share 0.75), landmark_folder train in {folder}: 5 (share 0.25)"
    )


def test_labels_are_converted_to_a_scheme_that_the_configuration_names(config, caplog):
    config.data.scheme = "w300_68"
    source = mixture.read_training(config)
    assert (source[0]["visibility"] != UNKNOWN).all()
    assert np.flatnonzero(source[64]["visibility"] != UNKNOWN).tolist() == [30, 48, 54]
    assert "labels of five are converted to w300_68 (3 of 68 landmarks)" in caplog.text


def test_shares_are_those_of_the_configuration(config):
    batches = batches_of(mixture.with_scheme(config), 25)
    records = np.concatenate([batch["record"] for batch in batches])
    own = records >= 64
    assert own.mean() == pytest.approx(0.25, abs=0.01)
    assert min(collections.Counter(records[own].tolist()).values()) == 10  # 50 of 5 faces
    assert len(set(records[~own].tolist())) == 64
    weights = np.concatenate([batch["weights"] for batch in batches])
    np.testing.assert_array_equal(weights[:, 98:].any(axis=1), own)


def test_a_mirrored_face_labels_the_other_side(config):
    config.data.tied = True
    config.augment.update(mirror=1.0, rotation=0.0, scale=(1.0, 1.0), shift=0.0)
    config = mixture.with_scheme(config)
    source = mixture.read_training(config)
    permutation = schemes.find(config.data.scheme).mirror_permutation
    for batch in batches_of(config, 3):
        for record, weights in zip(batch["record"], batch["weights"], strict=True):
            known = source[int(record)]["visibility"] != UNKNOWN
            np.testing.assert_array_equal(weights > 0, known[permutation])


def test_the_validation_is_in_the_scheme_of_the_dataset(config):
    config = mixture.with_scheme(config)
    assert mixture.evaluated(config).data.scheme == "wflw_98"


def test_the_validation_is_in_a_scheme_that_labels_and_network_have(config):
    """The labels are those of wflw_98, which has the landmarks of w300_68 but not those of cofw_29."""
    config.data.scheme = schemes.as_text(schemes.join([schemes.COFW_29, schemes.W300_68], tied=False))
    assert mixture.evaluated(config).data.scheme == "w300_68"
    config.data.scheme = schemes.as_text(schemes.join([schemes.COFW_29, schemes.AFLW_19], tied=False))
    with pytest.raises(
        ValueError, match="landmarks of cofw_29 cannot be converted to wflw_98; it has 15 of the 98"
    ):
        mixture.evaluated(config)


def test_a_folder_may_be_in_a_bucket_have_blanks_or_begin_at_home(config, monkeypatch, folder):
    config.data.mixture = ("cofw train 0.1 gs://bucket/x", "cofw train 0.1 /my data ")
    assert [row.data_dir for row in mixture.ingredients(config)] == [None, "gs://bucket/x", "/my data"]
    home = pathlib.Path(folder)
    monkeypatch.setenv("HOME", str(home.parent))
    config.data.mixture = (f"landmark_folder train 0.25 ~/{home.name}",)
    assert len(mixture.read_training(mixture.with_scheme(config))) == 69


def test_landmarks_are_tied_in_a_joint_scheme_only(config):
    config.data.update(scheme="w300_68", tied=True)
    with pytest.raises(
        ValueError, match=r"config.data.tied is true with the scheme w300_68, expected an empty"
    ):
        mixture.with_scheme(config)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("cofw train",), "config.data.mixture has 'cofw train', expected DATASET SPLIT SHARE"),
        (("cofw train 1.5",), "with a share above 0 and below 1"),
        (("cofw train nan",), "with a share above 0 and below 1"),
        (("cofw train 0.5", "aflw train 0.5"), "config.data.mixture have the sum 1, expected less than 1"),
    ],
)
def test_wrong_entries_are_refused(entries, message):
    config = default()
    config.data.mixture = entries
    check_config(config, "here")
    with pytest.raises(ValueError, match=message):
        mixture.ingredients(config)


def test_a_mixture_is_a_list_of_texts():
    config = default()
    config.data.mixture = (1,)
    with pytest.raises(ValueError, match=r"data.mixture is \(1,\), expected any number of texts"):
        check_config(config, "here")
