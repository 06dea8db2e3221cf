"""Records with turned faces: landmarks and box move together, heads are fitted once, other records stay as they are."""

import numpy as np
import pytest

from dsat_jax import geometry, schemes
from dsat_jax.config import default
from dsat_jax.data import datasets
from dsat_jax.data.batches import FaceReader
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.data.turned_records import RecordTurner
from dsat_jax.records import OCCLUDED, UNKNOWN
from dsat_jax.schemes import AFLW_19, COFW_29, WFLW_98


@pytest.fixture(scope="module")
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.augment.update(turn=1.0, turn_yaw=50.0, turn_pitch=20.0)
    config.input.size = 64
    return config


@pytest.fixture(scope="module")
def source(config):
    return DecodedRecords(datasets.read_split(config, "train"))


def width_of_far_eye(landmarks) -> float:
    """Returns the width of the narrower eye as a share of the wider one."""
    widths = np.linalg.norm(landmarks[[64, 72]] - landmarks[[60, 68]], axis=1)
    return widths.min() / widths.max()


def test_the_box_moves_with_the_landmarks_and_the_far_eye_narrows(config, source):
    turner, random = RecordTurner(WFLW_98, config.augment), np.random.default_rng(0)
    narrowed = 0
    for index in range(8):
        record = source[index]
        turned = turner(index, record, random)
        assert turned["image"].shape == record["image"].shape
        assert turned["landmarks"].dtype == np.float32
        margins = [r["box"] - geometry.box_of_points(r["landmarks"]) for r in (record, turned)]
        np.testing.assert_allclose(margins[0], margins[1], atol=1e-3)
        np.testing.assert_array_equal(turned["visibility"] != UNKNOWN, record["visibility"] != UNKNOWN)
        assert ((turned["visibility"] == record["visibility"]) | (turned["visibility"] == OCCLUDED)).all()
        narrowed += width_of_far_eye(turned["landmarks"]) < width_of_far_eye(record["landmarks"])
    assert narrowed >= 6


def test_a_head_is_fitted_once(config, source):
    """The second turn of a record uses the head of the first, whatever landmarks the record has by then."""
    turner = RecordTurner(WFLW_98, config.augment)
    first = turner(0, source[0], np.random.default_rng(1))
    moved = {**source[0], "landmarks": source[0]["landmarks"] + 1}
    second = turner(0, moved, np.random.default_rng(1))
    np.testing.assert_array_equal(second["landmarks"], first["landmarks"])


def test_records_of_other_schemes_or_with_unknown_landmarks_stay_as_they_are(config, source):
    record = source[0]
    joint = schemes.join([COFW_29, WFLW_98], tied=False)
    random = np.random.default_rng(0)
    nineteen = {**record, "landmarks": record["landmarks"][:19], "visibility": record["visibility"][:19]}
    mixed = schemes.join([AFLW_19, WFLW_98], tied=False)
    padded = {
        "landmarks": np.concatenate([nineteen["landmarks"], np.zeros((98, 2), np.float32)]),
        "visibility": np.concatenate([nineteen["visibility"], np.zeros(98, np.uint8)]),
    }
    padded = {**record, **padded}
    assert RecordTurner(mixed, config.augment)(0, padded, random) is padded
    with pytest.raises(
        ValueError, match=r"config.augment.turn is 1.0, expected 0 for the landmarks of aflw_19"
    ):
        RecordTurner(AFLW_19, config.augment)
    partial = {**record, "visibility": np.where(np.arange(98) == 5, UNKNOWN, record["visibility"])}
    assert RecordTurner(WFLW_98, config.augment)(0, partial, random) is partial
    both = {
        name: np.concatenate([np.zeros_like(record[name][:29]), record[name]])
        for name in ("landmarks", "visibility")
    }
    labelled_twice = {**record, **both, "visibility": np.ones(127, np.uint8)}
    assert RecordTurner(joint, config.augment)(0, labelled_twice, random) is labelled_twice
    flat = {**record, "landmarks": record["landmarks"] * np.float32([1, 0])}
    assert RecordTurner(WFLW_98, config.augment)(0, flat, random) is flat
    turned = RecordTurner(joint, config.augment)(0, {**record, **both}, random)
    assert not turned["landmarks"][:29].any()
    assert np.abs(turned["landmarks"][29:] - record["landmarks"]).max() > 2


def test_training_samples_are_turned_and_rotated_by_any_angle(config, source):
    augment = config.augment.copy_and_resolve_references()
    augment.update(any_rotation=1.0, mirror=0.0, turn=0.0)
    angles = []
    reader = FaceReader(source, WFLW_98, config.input, augment)
    for seed in range(24):
        sample = reader.training_sample(0, np.random.default_rng(seed))
        eyes = sample["points"][72] - sample["points"][60]
        angles.append(np.degrees(np.arctan2(eyes[1], eyes[0])))
    assert np.histogram(angles, 4, (-180, 180))[0].min() >= 2  # every quarter of the circle
    augment.update(any_rotation=0.0, rotation=0.0, turn=1.0)
    reader = FaceReader(source, WFLW_98, config.input, augment)
    shares = [
        width_of_far_eye(reader.training_sample(0, np.random.default_rng(seed))["points"])
        for seed in range(6)
    ]
    assert np.ptp(shares) > 0.2
