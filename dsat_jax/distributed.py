"""Several processes as one run, through JAX's own service: how they start, stop together, and miss each other."""

import contextlib
import glob
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

import jax
from jax.experimental import multihost_utils

# A process that is gone is noticed within this time, and the others end.
HEARTBEAT_SECONDS = 30


def start(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins this process with the others of its run, before anything else of JAX is used.

    On a TPU host, under SLURM's srun and under Open MPI's mpirun JAX finds the others by itself; elsewhere all three
    arguments say where they are. Without either the run has this one process.

    Args:
      coordinator: HOST:PORT of process 0.
      num_processes: of the run.
      process_id: of this process, from 0.

    Raises:
      ValueError: if only some of the arguments are given, or they do not fit each other.
    """
    given = (coordinator, num_processes, process_id)
    if all(value is None for value in given) and not in_cluster(os.environ):
        return
    if any(value is not None for value in given):
        if None in given or ":" not in coordinator:
            raise ValueError(
                "--coordinator=HOST:PORT, --num_processes and --process_id go together: give all three"
            )
        if not 0 <= process_id < num_processes:
            raise ValueError(f"--process_id={process_id} is not one of 0 to {num_processes - 1}")
    jax.distributed.initialize(
        *given, heartbeat_timeout_seconds=HEARTBEAT_SECONDS, shutdown_timeout_seconds=HEARTBEAT_SECONDS
    )


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether this process is one of several that a launcher has started, or runs on a TPU host."""
    several = any(
        int(environment.get(name) or 1) > 1 for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    )
    on_tpu = bool(glob.glob("/dev/accel*")) and environment.get("JAX_PLATFORMS", "tpu").startswith("tpu")
    return several or "TPU_WORKER_HOSTNAMES" in environment or on_tpu


def stop_on_signals() -> Callable[[int], bool]:
    """A function of the step that is true from the first SIGTERM or SIGINT on; a second one ends the program as usual.

    Of several processes any one may get the signal; the function is then true on all of them after the same step.
    """
    if jax.process_count() > 1:
        # JAX's service listens for SIGTERM itself.
        signal.signal(signal.SIGINT, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
        return multihost_utils.reached_preemption_sync_point
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        del frame
        stop.set()
        signal.signal(number, signal.SIG_DFL)
        print("stopping after this step; once more ends at once", file=sys.stderr)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return lambda step: stop.is_set()


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Ends this process with a clear message when another one of the run is gone.

    The ordinary way out would wait for it: JAX's service lets processes leave together only.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        cause = str(error).strip().splitlines()[0]
        print(
            f"error: process {jax.process_index()} of {jax.process_count()} has lost the others ({cause}); start all "
            "of them again to go on from the newest checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)
