"""Several processes as one run, through JAX's own service: how they start, are asked to stop, and miss each other."""

import contextlib
import faulthandler
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from dsat_jax.errors import UserError

# A process that is gone is noticed within this time, and the others end.
HEARTBEAT_SECONDS = 30
# In what JAX says when a computation or a barrier has missed another process.
_LOST = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "Gloo", "NCCL", "Barrier", "heartbeat", "Connection", "peer")


def start(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process with the others of its run, before anything else of JAX is used.

    On a TPU host, under SLURM's srun and under Open MPI 4's mpirun JAX finds the others by itself; elsewhere all three
    arguments say where they are. Without either the run has this one process.

    Args:
      coordinator: HOST:PORT of process 0.
      num_processes: of the run.
      process_id: of this process, from 0.

    Raises:
      ValueError: if only some of the arguments are given, they do not fit each other, or the others are not found.
    """
    given = (coordinator, num_processes, process_id)
    if any(value is not None for value in given):
        if None in given or ":" not in coordinator:
            raise UserError(
                "--coordinator=HOST:PORT, --num_processes and --process_id go together: give all three"
            )
        if not 0 <= process_id < num_processes:
            raise UserError(f"--process_id={process_id} is not one of 0 to {num_processes - 1}")
        _initialize(*given, cluster_detection_method="deactivate")
    elif is_one_of_several(os.environ):
        _initialize(local_device_ids=None if one_gpu_of_several(os.environ) else [])
    elif importlib.util.find_spec("libtpu") and os.environ.get("JAX_PLATFORMS", "tpu").startswith("tpu"):
        try:
            _initialize()
        except ValueError as error:
            if "coordinator_address" not in str(error):  # which says that this is no host of a TPU
                raise


def _initialize(*arguments: Any, **options: Any) -> None:
    # JAX's service aborts a process that waits for one that is gone; a dump of all threads would bury what it says.
    faulthandler.disable()
    jax.distributed.initialize(
        *arguments,
        **options,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        shutdown_timeout_seconds=HEARTBEAT_SECONDS,
    )


def is_one_of_several(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started this process beside others.

    Args:
      environment: variables of this process.

    Raises:
      ValueError: if JAX cannot find the others.
    """
    if int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        return True
    if int(environment.get("OMPI_COMM_WORLD_SIZE") or 1) == 1:
        return False
    if "OMPI_MCA_orte_hnp_uri" not in environment:
        raise UserError(
            "JAX finds the processes of Open MPI 4 only: give --coordinator=HOST:PORT, "
            "--num_processes=$OMPI_COMM_WORLD_SIZE and --process_id=$OMPI_COMM_WORLD_RANK"
        )
    return True


def one_gpu_of_several(environment: Mapping[str, str]) -> bool:
    """Whether this process has to share the GPUs that it sees with others on its host: JAX gives each process one.

    Args:
      environment: variables of a process for which `is_one_of_several`.
    """
    bound = "," not in environment.get("CUDA_VISIBLE_DEVICES", ",")
    alone = (
        environment["SLURM_STEP_NUM_TASKS"] == environment.get("SLURM_STEP_NUM_NODES")
        if "SLURM_STEP_NUM_TASKS" in environment
        else environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") == "1"
    )
    return not bound and not alone


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[int], bool]]:
    """A function that is true once this process has got SIGTERM or SIGINT; a second one ends the program as usual."""
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    asked = threading.Event()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def handle(number: int, frame: object) -> None:
        del number, frame
        asked.set()
        restore()
        with contextlib.suppress(OSError):  # of a terminal that is gone
            os.write(sys.stderr.fileno(), b"\nstopping after a few steps; once more ends at once\n")

    for number in usual:
        signal.signal(number, handle)
    try:
        yield lambda step: asked.is_set()
    finally:
        restore()


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Ends this process at once, with a clear message, when a computation fails because another process is gone."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError, OSError) as error:  # Orbax makes its own of some
        if not jax.distributed.is_initialized() or not any(sign in str(error) for sign in _LOST):
            raise
        cause = str(error).strip().splitlines()[0]
        print(
            f"\nerror: process {jax.process_index()} of {jax.process_count()} has lost the others ({cause}); start all "
            "of them again to go on from the newest checkpoint",
            file=sys.stderr,
        )
        leave(1)


def leave(code: int) -> int:
    """Ends this process at once if it is one of several, else returns the exit code.

    The ordinary way out would wait for the others, which may wait for this one: JAX lets processes leave together only.
    """
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
