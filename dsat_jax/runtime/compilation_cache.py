"""Compiled programs, kept from one start of the command line to the next by JAX's own cache."""

import hashlib
import os
import pathlib
import platform

import jax


def keep() -> None:
    """Turns JAX's compilation cache on, in a folder of the user's cache, unless another is named."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(_folder()))


def _folder() -> pathlib.Path:
    """A folder for processors like this one: hosts that share a home could not run each other's programs."""
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return (
        pathlib.Path(caches)
        / "dsat_jax"
        / "compiled"
        / hashlib.sha256(_processor().encode()).hexdigest()[:12]
    )


def _processor() -> str:
    """What the first processor can do."""
    described = pathlib.Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return flags[0] if flags else f"{platform.machine()} {platform.processor()}"
