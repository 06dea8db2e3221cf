"""Checkpoints in a bucket: retention, damage, and saves that were interrupted."""

import pathlib

import jax
import numpy as np
import pytest
from bucket_server import BUCKET
from made_states import restored_newest, state_at, template_of

from dsat_jax.checkpoints import manager
from dsat_jax.checkpoints.manager import Checkpoints

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of aiohttp


def save_all(workdir: pathlib.Path, nmes: dict[int, float | None]) -> set[str]:
    """Saves a state at each step with its validation NME; returns the names of the folders."""
    saved = Checkpoints(workdir)
    for step, nme in nmes.items():
        saved.save(state_at(step), nme)
    saved.close()
    return folders(workdir)


def folders(workdir: pathlib.Path) -> set[str]:
    return {path.name for path in (workdir / manager.FOLDER).iterdir()}


def assert_same(one, other) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_newest_two_and_the_best_are_kept(bucket_folder):
    assert save_all(bucket_folder, {1: 9.0, 2: 5.0, 3: 7.0, 4: 6.0}) == {"2", "3", "4"}
    assert_same(restored_newest(bucket_folder), state_at(4))
    best = manager.restore_best(bucket_folder, template_of(state_at(2).ema))
    assert_same(best, state_at(2).ema)
    assert save_all(bucket_folder, {5: 4.0}) == {"4", "5"}


def test_an_incomplete_save_is_not_read_and_is_removed_by_the_next_run(bucket, bucket_folder):
    save_all(bucket_folder, {1: 2.0, 2: 1.0})
    del bucket.objects[BUCKET, f"{bucket_folder.name}/checkpoints/2/commit_success.txt"]
    best = manager.restore_best(bucket_folder, template_of(state_at(1).ema))
    assert_same(best, state_at(1).ema)
    assert folders(bucket_folder) == {"1", "2"}  # reading changes nothing
    assert save_all(bucket_folder, {}) == {"1"}
    assert_same(restored_newest(bucket_folder), state_at(1))


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_checkpoint_is_renamed_and_the_one_before_it_is_used(bucket, bucket_folder, caplog, damage):
    save_all(bucket_folder, {1: 2.0, 2: 1.0})
    folder = f"{bucket_folder.name}/checkpoints/2/state/"
    name = next(key for key in bucket.objects if key[1].startswith(f"{folder}d/"))
    content, generation = bucket.objects.pop(name)
    if damage == "changed":
        flipped = bytes([content[0] ^ 1, *content[1:]])
        bucket.objects[name] = (flipped, generation)
    assert_same(restored_newest(bucket_folder), state_at(1))
    assert folders(bucket_folder) == {"1", "2.damaged"}
    assert "renamed to 2.damaged" in caplog.text
    kept = (BUCKET, name[1].replace("/checkpoints/2/", "/checkpoints/2.damaged/"))
    assert (kept in bucket.objects) == (damage == "changed")
    assert save_all(bucket_folder, {2: 0.5}) == {"1", "2", "2.damaged"}
