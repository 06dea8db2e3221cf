"""JAX's cache of compiled programs, kept between processes."""

import hashlib
import pathlib
import platform
import tempfile

import jax
from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.files import user_cache

_ROOM = 2**20  # bytes that must be free; a compiled network has about as many


def keep(folder: pathlib.Path | None = None) -> None:
    """Turns on JAX's compilation cache for this process, unless it is already on.

    Where the programs cannot be kept, it warns once; JAX alone would warn of each program.

    Args:
      folder: folder of the compiled programs; None selects one in the user's cache.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    try:
        kept = folder or _folder()
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept) as trial:
            trial.write(bytes(_ROOM))
    except (UserError, OSError) as error:
        logging.warning("compiled programs are not kept for the next start (%s)", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(kept))
    # By default JAX keeps only programs that took a second to compile.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _folder() -> pathlib.Path:
    """Returns a folder for this type of processor: another type may be unable to run the compiled programs."""
    return user_cache.folder("compiled") / hashlib.sha256(_processor().encode()).hexdigest()[:12]


def _processor() -> str:
    """Returns the capabilities of the first processor as text."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return flags[0] if flags else f"{platform.machine()} {platform.processor()}"
