"""Several processes: what starts them. That they train as one is in tests/scale."""

import logging
import time

import pytest

from dsat_jax import distributed, stall


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ],
)
def test_launchers_are_known_by_their_environment(environment, expected):
    assert distributed.in_cluster({"JAX_PLATFORMS": "cpu", **environment}) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("127.0.0.1:80", 2, None), "go together: give all three"),
        ((None, 2, 0), "go together: give all three"),
        (("127.0.0.1", 2, 0), "--coordinator=HOST:PORT"),
        (("127.0.0.1:80", 2, 2), "--process_id=2 is not one of 0 to 1"),
        (("127.0.0.1:80", 2, -1), "--process_id=-1 is not one of 0 to 1"),
    ],
)
def test_flags_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        distributed.start(*arguments)


def test_what_does_not_come_is_reported_again_and_again(caplog):
    with caplog.at_level(logging.WARNING), stall.reported(0.05, "the training images of step 3"):
        time.sleep(0.18)
    lines = [record.message for record in caplog.records]
    assert 2 <= len(lines) <= 3
    assert lines[0] == "waiting for 0 s: the training images of step 3"
    caplog.clear()
    with stall.reported(5.0, "nothing"):
        pass
    assert not caplog.records
