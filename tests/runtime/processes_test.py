"""The start and the stop of several processes; tests/scale trains with them."""

import contextlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from dsat_jax.errors import UserError
from dsat_jax.runtime import devices, processes

OPEN_MPI_4 = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}, False),  # in a batch script, outside srun
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        (OPEN_MPI_4, True),
    ],
)
def test_launchers_are_recognised_by_their_environment(environment, expected):
    assert processes.is_one_of_several(environment) == expected


def test_a_launcher_that_jax_does_not_support_is_refused():
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


@pytest.mark.parametrize(
    ("variable", "device", "expected"),
    [
        (None, None, True),
        ("tpu,cpu", None, True),
        ("cpu", None, False),
        ("cuda,cpu", None, False),
        ("tpu", "cpu", False),  # a worker of a pod that computes alone
        (None, "cpu", False),
    ],
)
def test_tpus_are_not_waited_for_where_other_devices_are_chosen(variable, device, expected):
    before = jax.config.jax_platforms
    jax.config.update("jax_platforms", variable)  # as JAX reads JAX_PLATFORMS
    try:
        devices.choose(device)
        assert processes.may_use_tpus() == expected
    finally:
        jax.config.update("jax_platforms", before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_a_stop_and_the_second_is_the_usual_one(number, capfd):
    with processes.stop_on_signals() as should_stop:
        assert not should_stop(1)
        signal.raise_signal(number)
        assert should_stop(2)
        printed, deadline = "", time.monotonic() + 10
        while not printed and time.monotonic() < deadline:  # by another thread
            printed += capfd.readouterr().err
        assert "\nstopping after a few steps; a second signal ends the process at once" in printed
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


BUSY = """
import hashlib, sys, time
from dsat_jax.runtime import devices, processes
with processes.stop_on_signals() as should_stop, processes.awaiting("compiling the training step"):
    print("busy", flush=True)
    while sys.argv[1] == "handled" and not should_stop(1):
        time.sleep(0.01)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)  # like a compilation: minutes without a handler
"""


@pytest.mark.parametrize("first_signal", ["handled", "too late for a handler"])
def test_a_process_that_compiles_answers_the_first_signal_and_ends_at_the_second(first_signal):
    command = [sys.executable, "-c", BUSY, first_signal]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as at_end,
    ):
        at_end.callback(process.kill)
        assert process.stdout.readline() == "busy\n"
        time.sleep(0.5)  # into the computation, in which no handler runs
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith(
            "compiling the training step cannot be interrupted; stopping after a few steps"
        )
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


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


def test_a_count_of_processes_that_is_no_number_is_refused():
    with pytest.raises(UserError, match="SLURM_STEP_NUM_TASKS is 'abc', expected a number of processes"):
        processes.is_one_of_several({"SLURM_STEP_NUM_TASKS": "abc"})


@pytest.mark.parametrize("port", ["abc", "", "0", "65536"])
def test_a_port_that_does_not_exist_is_refused_before_jax_sees_it(port):
    with pytest.raises(UserError, match="expected 1 to 65535"):
        processes.start(f"localhost:{port}", 2, 0)
