"""Several processes as one run, through JAX's distributed service: start, stop requests, and lost processes."""

import contextlib
import faulthandler
import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from dsat_jax.errors import UserError

# The loss of a process is noticed within this time, and the others end.
HEARTBEAT_SECONDS = 30
# Parts of JAX's error messages when a computation or a barrier fails because another process is gone.
_LOST = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "Gloo", "NCCL", "Barrier", "heartbeat", "Connection", "peer")


def start(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process with the others of its run; must be called before any other use of JAX.

    On a TPU host, under SLURM's srun and under Open MPI 4's mpirun, JAX finds the other processes by itself. Elsewhere,
    a run of several processes needs all three arguments; without them, it has a single process.

    Args:
      coordinator: HOST:PORT of process 0.
      num_processes: number of processes of the run.
      process_id: index of this process, from 0.

    Raises:
      UserError: if only some of the arguments are given, if they do not fit each other, or if the other processes are
        not found.
    """
    arguments = (coordinator, num_processes, process_id)
    if any(value is not None for value in arguments):
        if None in arguments or ":" not in coordinator:
            raise UserError(
                "--coordinator=HOST:PORT, --num_processes and --process_id go together: give all three"
            )
        port = coordinator.rpartition(":")[2]
        if not (port.isdecimal() and 0 < int(port) < 2**16):  # JAX's service would crash
            raise UserError(
                f"--coordinator={coordinator}: found the port {port!r}, expected 1 to {2**16 - 1}"
            )
        if not 0 <= process_id < num_processes:
            raise UserError(f"--process_id={process_id} is not one of 0 to {num_processes - 1}")
        _initialize(*arguments, cluster_detection_method="deactivate")
    elif is_one_of_several(os.environ):
        _initialize(local_device_ids=None if one_gpu_of_several(os.environ) else [])
    elif importlib.util.find_spec("libtpu") and may_use_tpus():
        try:
            _initialize()
        except UserError as error:
            if "coordinator_address" not in str(error):  # JAX's message on a host without a TPU
                raise


def _initialize(*arguments: Any, **options: Any) -> None:
    # JAX's service aborts a process that waits for a lost one; a dump of all threads would bury the service's message.
    faulthandler.disable()
    try:
        jax.distributed.initialize(
            *arguments,
            **options,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except ValueError as error:
        raise UserError(f"JAX cannot find the processes of this run: {error}") from error


def may_use_tpus() -> bool:
    """Returns whether JAX may take TPUs: it reads JAX_PLATFORMS at its import, and `devices.choose` overrides that."""
    return (jax.config.jax_platforms or "tpu").startswith("tpu")


def _count(environment: Mapping[str, str], name: str) -> int:
    """Returns the number of processes in an environment variable; 1 where it is missing or empty."""
    value = environment.get(name) or "1"
    if not value.isdecimal():
        raise UserError(f"the environment variable {name} is {value!r}, expected a number of processes")
    return int(value)


def is_one_of_several(environment: Mapping[str, str]) -> bool:
    """Returns whether a launcher has started this process as one of several.

    Args:
      environment: environment variables of this process.

    Raises:
      UserError: if JAX cannot find the other processes.
    """
    if _count(environment, "SLURM_STEP_NUM_TASKS") > 1:
        return True
    if _count(environment, "OMPI_COMM_WORLD_SIZE") == 1:
        return False
    if "OMPI_MCA_orte_hnp_uri" not in environment:
        raise UserError(
            "JAX finds the processes of Open MPI 4 only: give --coordinator=HOST:PORT, "
            "--num_processes=$OMPI_COMM_WORLD_SIZE and --process_id=$OMPI_COMM_WORLD_RANK"
        )
    return True


def one_gpu_of_several(environment: Mapping[str, str]) -> bool:
    """Returns whether other processes on the host see the same GPUs, so that JAX has to assign one GPU to each process.

    Args:
      environment: environment variables of a process for which `is_one_of_several` is true.
    """
    bound = "," not in environment.get("CUDA_VISIBLE_DEVICES", ",")
    alone = (
        environment["SLURM_STEP_NUM_TASKS"] == environment.get("SLURM_STEP_NUM_NODES")
        if "SLURM_STEP_NUM_TASKS" in environment
        else environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") == "1"
    )
    return not bound and not alone


_awaited: list[str] = []  # what the main thread does while no signal reaches Python, such as a compilation


@contextlib.contextmanager
def awaiting(what: str) -> Iterator[None]:
    """Names what a stop has to wait for until the body ends, for the message of `stop_on_signals`."""
    _awaited.append(what)
    try:
        yield
    finally:
        _awaited.remove(what)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[int], bool]]:
    """Yields a function that returns True after SIGTERM or SIGINT; a second signal ends the process.

    While the main thread compiles, Python runs no handler of a signal. A thread that reads the numbers of the signals
    from a socket says at once what the stop waits for, and ends the process at the second signal.
    """
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    asked = threading.Event()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def handle(number: int, frame: object) -> None:
        del number, frame
        asked.set()
        restore()

    written, read = socket.socketpair()
    written.setblocking(False)
    listener = threading.Thread(target=_answer_signals, args=(read, asked), daemon=True)
    for number in usual:
        signal.signal(number, handle)
    earlier = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    listener.start()
    try:
        yield lambda step: asked.is_set()
    finally:
        signal.set_wakeup_fd(earlier)
        restore()
        written.close()
        listener.join()
        read.close()


def _answer_signals(numbers: socket.socket, handled: threading.Event) -> None:
    """Prints what a stop waits for at the first signal; ends the process at the second unless Python can handle it."""
    stops = 0
    while number := numbers.recv(1):
        if number[0] not in (signal.SIGINT, signal.SIGTERM):
            continue
        stops += 1
        if stops == 1:
            after = "".join(f"{what} cannot be interrupted; " for what in _awaited)
            message = f"\n{after}stopping after a few steps; a second signal ends the process at once\n"
            with contextlib.suppress(OSError):  # the terminal may be gone
                os.write(sys.stderr.fileno(), message.encode())
        elif _awaited or not handled.is_set():
            os._exit(128 + number[0])


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Ends this process at once, with an error message, when a computation fails because another process is gone."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError, OSError) as error:  # Orbax wraps some of them
        if not jax.distributed.is_initialized() or not any(sign in str(error) for sign in _LOST):
            raise
        cause = str(error).strip().splitlines()[0]
        print(
            f"\nerror: process {jax.process_index()} of {jax.process_count()} has lost the others ({cause}); start all "
            "processes again to continue from the newest checkpoint",
            file=sys.stderr,
        )
        leave(1)


def leave(code: int) -> int:
    """Ends this process at once if it is one of several, otherwise returns the exit code.

    JAX's service lets all processes exit together only: a regular exit would wait for the other processes, which may
    wait for this one.
    """
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
