"""Memory of this process that the C library of Linux keeps between allocations."""

import ctypes
import importlib.util
import os

# Parameters of mallopt(3), with values that keep all freed memory in one growing heap. Blocks above 64 MiB fit into the
# first heap only.
_MALLOPT = {
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: bytes at the heap's end from which on they are returned to the system
    -2: 2**28,  # M_TOP_PAD: bytes by which the heap grows at least
    -3: 2**31 - 1,  # M_MMAP_THRESHOLD: bytes from which on a block is outside of the heap
    -8: 1,  # M_ARENA_MAX: number of heaps
}


def keep_freed() -> None:
    """Keeps freed memory in this process for later allocations, where JAX can only use the CPU of a Linux system.

    XLA allocates and frees the activations of each training step. The C library returns such large blocks to the
    system, which clears all their pages again in the next step. Call it before JAX starts its threads, because each
    thread can have its own heap.
    """
    accelerated = importlib.util.find_spec("jax_plugins") or importlib.util.find_spec("libtpu")
    if os.environ.get("JAX_PLATFORMS", "" if accelerated else "cpu") == "cpu" and _has_glibc():
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)


def _has_glibc() -> bool:
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
