"""Limits of a planned run besides its programs, against numbers computed by hand."""

import types

import pytest

from dsat_jax.config import default
from dsat_jax.runtime.chips import CHIPS
from dsat_jax.training import plan_limits


@pytest.fixture
def config():
    config = default()
    config.train.update(batch_size=7_200, save_every=100)
    return config


TRAINING = {
    "images": 7_200,
    "roofline": {"seconds": 0.01},
    "collectives": {"all-reduce": {"number": 300}, "all-gather": {"number": 20}},
    "memory_gib": {"chip": 16.0, "needed": 7.0, "temporary": 4.0, "state": 2.0},
}
# 3 + 3 hops between opposite corners.
SLICE = types.SimpleNamespace(hosts=4, shape=(4, 4), chip=CHIPS["v5e"])


def test_the_longest_limit_is_the_first(config):
    found = plan_limits.limits(config, TRAINING, SLICE)
    # 1,800 faces of a host take its reader 1 s; a save of 2 GiB takes 2.147 s, every 100 steps; 320 collectives wait
    # for 12 hops of a microsecond each.
    assert [limit.seconds for limit in found] == pytest.approx([1.0, 2 * 2**30 / 1e9 / 100, 320 * 12e-6])
    reading, saving, waiting = found
    assert "--config.train.reader_processes=100 " in reading.answer
    assert "--config.train.save_every=4295 " in saving.answer  # 2.147 s are 5 % of 4,295 steps of 10 ms
    assert waiting.answer.startswith("--config.train.statistics=device")


def test_what_is_done_already_is_no_answer(config):
    config.train.statistics = "device"
    config.data.resident = True
    reading, waiting = (
        next(limit for limit in plan_limits.limits(config, TRAINING, SLICE) if limit.name.startswith(name))
        for name in ("input", "waiting")
    )
    assert reading.seconds == 0
    assert "statistics" not in waiting.answer


def test_a_split_state_is_written_by_several_hosts(config):
    config.mesh.model = 8
    training = {**TRAINING, "memory_gib": {**TRAINING["memory_gib"], "state": 0.25}}
    saving = next(
        limit
        for limit in plan_limits.limits(config, training, SLICE)
        if limit.name.startswith("checkpoints, 2.00 GiB")
    )
    assert saving.seconds == pytest.approx(2 * 2**30 / 4 / 1e9 / 100)


def test_the_largest_batch_fills_the_free_memory():
    # 16 - 3 GiB are free for temporary memory, of which 1,800 faces of a chip take 4 GiB.
    assert plan_limits.largest_batch(TRAINING, devices=4) == 4 * 5_850
