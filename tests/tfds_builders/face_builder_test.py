"""The base class of the builders: the log of a build, and the order of the records."""

import os

import numpy as np
import pytest
from tensorflow_datasets.core import hashing

import tfds_builders
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError, face_builder


def test_one_percent_of_damage_passes_and_more_does_not():
    log = face_builder.BuildLog()
    log.damaged["a.jpg: broken"].append("train")
    log.check_damage("train", 100)
    log.damaged["b.jpg: broken"].append("train")
    log.damaged["c.jpg: broken"].append("test")
    with pytest.raises(BuildError) as error:
        log.check_damage("train", 199)
    assert str(error.value) == (
        "train: 2 of 199 records are damaged, at most 1.00% may be:\n  a.jpg: broken\n  b.jpg: broken"
    )


def test_faces_with_the_same_reason_of_damage_all_count():
    log = face_builder.BuildLog(max_skipped=0.02)
    log.damaged["a.jpg: cannot be read"] += ["train", "train", "train", "test"]
    log.check_damage("train", 150)
    with pytest.raises(BuildError, match="train: 3 of 149 records are damaged"):
        log.check_damage("train", 149)


@pytest.fixture
def builder(tmp_path) -> face_builder.FaceBuilder:
    return tfds_builders.make_builder("w300", tmp_path)


def read(sample: int) -> dict[str, object]:
    """A drawn face; every fifth has a damaged annotation, and the next one a damaged image."""
    if sample % 5 == 3:
        raise DamagedRecord(f"{sample}: broken annotation")
    picture = np.zeros((60, 60, 3), np.uint8)
    landmarks = np.random.default_rng(sample).uniform(5, 55, (68, 2))
    return {"picture": b"" if sample % 5 == 4 else picture, "landmarks": landmarks, "name": str(sample)}


def records(builder: face_builder.FaceBuilder, samples, **arguments) -> list[tuple[str, dict[str, object]]]:
    """The records of all shards of the split `train`."""
    shards = builder._shards("train", samples, str, read, **arguments)
    return [record for shard in shards for record in shard()]


def test_records_come_in_the_order_of_their_keys_without_the_damaged(builder):
    builder.log.max_skipped = 0.5
    keys = [key for key, _ in records(builder, range(40))]
    assert keys == [
        sample for sample in face_builder.shuffle("train", map(str, range(40)), str) if int(sample) % 5 < 3
    ]
    assert len(builder.log.damaged) == 16
    assert "3: broken annotation" in builder.log.damaged
    assert any(reason.startswith("4: 0 bytes that do not decode") for reason in builder.log.damaged)


def test_damage_is_a_share_of_the_whole_split(builder):
    builder.log.max_skipped = 0.2
    assert len(records(builder, range(5), num_records=10)) == 3
    builder.log.damaged.clear()
    with pytest.raises(BuildError, match="train: 2 of 9 records are damaged, at most 20"):
        records(builder, range(5), num_records=9)


def test_a_split_without_any_valid_record_stops_the_build(builder):
    builder.log.max_skipped = 1.0
    with pytest.raises(BuildError, match="train: 1 of 1 records are damaged"):
        records(builder, [3], num_records=100)


def test_few_images_are_in_memory(builder):
    taken = []

    def counting(sample: int) -> dict[str, object]:
        taken.append(sample)
        return read(5 * sample)

    shards = builder._shards("train", range(2050), str, counting)
    lengths = []
    for shard in shards:
        before = len(taken)
        for number, (_, record) in enumerate(shard(), start=1):
            assert len(taken) - before - number <= 2 * os.cpu_count()
            assert record["image"].read()  # TFDS also reads it and keeps the record
            assert record["image"].closed
        lengths.append(number)
        assert len(taken) == sum(lengths)
    assert lengths == [683, 683, 684]
    assert len(set(taken)) == 2050


def test_samples_are_in_the_order_of_tfds():
    keys = [f"a/{i}.jpg#0" for i in range(50)]
    hasher = hashing.Hasher("train")
    assert face_builder.shuffle("train", keys, str) == sorted(keys, key=hasher.hash_key)
    assert face_builder.shuffle("test", keys, str) != face_builder.shuffle("train", keys, str)


def test_two_samples_of_one_key_are_refused(builder):
    with pytest.raises(BuildError, match="train: 7 occurs twice"):
        builder._shards("train", [1, 7, 3, 7], str, read)


def test_incomplete_samples_do_not_count_as_damage():
    log = face_builder.BuildLog()
    log.incomplete["a.pts: no image of the same name"].append("train")
    log.check_damage("train", 1)
    assert log.summary() == "Skipped 1 incomplete and 0 damaged records:\n  a.pts: no image of the same name"


def test_the_summary_is_short_and_the_text_complete():
    log = face_builder.BuildLog()
    for i in range(25):
        log.damaged[f"{i}.jpg: broken"] += ["test", "test_full"]
    assert log.summary().splitlines()[0] == "Skipped 0 incomplete and 25 damaged records:"
    assert log.summary().splitlines()[-1] == "  and 15 more"
    assert log.text().splitlines() == [f"damaged: {i}.jpg: broken (test, test_full)" for i in range(25)]


def test_notes_are_shown_at_once_and_kept(capsys: pytest.CaptureFixture):
    log = face_builder.BuildLog()
    log.note("ibug: missing")
    assert capsys.readouterr().err == "ibug: missing\n"
    assert log.text() == "ibug: missing\n"
    assert log.summary() == "Skipped nothing."


@pytest.mark.parametrize(
    ("name", "official"),
    [
        ("wflw", {"train": 7500, "test": 2500, "test/makeup": 206}),
        ("w300", {"train": 3148, "test_full": 689}),
        ("cofw/cofw68", {"test": 507}),
        ("aflw19", {"test_frontal": 1314}),
        ("jd_landmark", {"valid": 2000}),
        ("merl_rav", {"train": 15_449, "test": 3_865}),
        ("synthetic_faces", {}),
    ],
)
def test_builders_know_the_size_of_the_official_dataset(name: str, official: dict, tmp_path):
    builder = tfds_builders.make_builder(name, tmp_path)
    assert {split: builder.official_faces[split] for split in official} == official
    assert bool(builder.official_faces) == bool(official)
