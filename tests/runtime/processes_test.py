"""Several processes: what starts them. That they train as one is in tests/scale."""

import logging
import signal
import time
from collections.abc import Iterator

import pytest

from dsat_jax.runtime import processes, sharding, watchdog

OPEN_MPI_4 = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}, False),  # of a batch script, outside srun
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        (OPEN_MPI_4, True),
    ],
)
def test_launchers_are_known_by_their_environment(environment, expected):
    assert processes.is_one_of_several(environment) == expected


def test_a_launcher_that_jax_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"Open MPI 4 only: give --coordinator=HOST:PORT"):
        processes.is_one_of_several({"OMPI_COMM_WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {
                "SLURM_STEP_NUM_TASKS": "8",
                "SLURM_STEP_NUM_NODES": "1",
                "CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7",
            },
            True,
        ),
        (
            {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "1", "CUDA_VISIBLE_DEVICES": "5"},
            False,
        ),  # bound to it
        (
            {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "CUDA_VISIBLE_DEVICES": "0,1,2,3"},
            False,
        ),
        ({**OPEN_MPI_4, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, True),
        ({**OPEN_MPI_4, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, False),
    ],
)
def test_processes_of_a_host_share_its_gpus_unless_each_is_bound_to_one(environment, expected):
    assert processes.one_gpu_of_several(environment) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_a_stop_and_the_second_is_the_usual_one(number, capfd):
    with processes.stop_on_signals() as should_stop:
        assert not should_stop(1)
        signal.raise_signal(number)
        assert should_stop(2)
        assert "once more ends at once" in capfd.readouterr().err
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_wish_of_this_process_is_known_on_all_devices():
    ask = sharding.make_any_process(sharding.make_mesh())
    assert [bool(ask(flag)) for flag in (False, True, False)] == [False, True, False]


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
        processes.start(*arguments)


def test_what_does_not_come_is_reported_again_and_again(caplog):
    with caplog.at_level(logging.WARNING), watchdog.reported(0.05, "the training images of step 3"):
        time.sleep(0.18)
    lines = [record.message for record in caplog.records]
    assert 2 <= len(lines) <= 3
    assert lines[0] == "waiting for 0 s: the training images of step 3"
    caplog.clear()
    with watchdog.reported(5.0, "nothing"):
        pass
    assert not caplog.records


def test_each_of_several_that_does_not_come_is_reported(caplog):
    def slow() -> Iterator[int]:
        yield 1
        time.sleep(0.08)
        yield 0

    with caplog.at_level(logging.WARNING):
        assert list(watchdog.reported_each(slow(), 0.05, "numbers")) == [1, 0]
    assert [record.message for record in caplog.records] == ["waiting for 0 s: numbers"]
