"""Programs compiled for a topology, kept between processes: their texts and memory, which are all that a plan reads.

JAX's compilation cache stores programs for a topology, but cannot load them without its devices.
"""

import gzip
import hashlib
import importlib.metadata
import json
import time
from typing import NamedTuple

import jax
from absl import logging

from dsat_jax.files import atomic_files, user_cache
from dsat_jax.runtime.topologies import Topology

COMPILERS = ("jax", "jaxlib", "libtpu", "jax-cuda13-plugin", "nvidia-cudnn-cu13", "nvidia-cuda-nvcc")


class CompiledProgram(NamedTuple):
    """A compiled program.

    Attributes:
      text: program in XLA's text format.
      memory: bytes on each device by part: arguments, temporary, results (without those that reuse arguments) and code.
      seconds: time of the compilation, which may have been in an earlier process.
    """

    text: str
    memory: dict[str, int]
    seconds: float


def compiled(lowered: jax.stages.Lowered, target: Topology) -> CompiledProgram:
    """Returns a program, compiled now or by an earlier process with the same compiler.

    Args:
      lowered: program before compilation.
      target: topology that it is traced for.

    Raises:
      jax.errors.JaxRuntimeError: if the compiler refuses the program.
    """
    kept = user_cache.folder("plans") / f"{_key(lowered, target)}.json.gz"
    if kept.is_file():
        return CompiledProgram(**json.loads(gzip.decompress(kept.read_bytes())))
    started = time.perf_counter()
    program = lowered.compile(compiler_options=dict(target.compiler_options))
    analysed = program.memory_analysis()
    memory = {
        "arguments": analysed.argument_size_in_bytes,
        "temporary": analysed.temp_size_in_bytes,
        "results": analysed.output_size_in_bytes - analysed.alias_size_in_bytes,
        "code": analysed.generated_code_size_in_bytes,
    }
    result = CompiledProgram(program.as_text(), memory, time.perf_counter() - started)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_bytes(kept, gzip.compress(json.dumps(result._asdict()).encode()))
    except OSError as error:  # a plan takes minutes, which its result is worth without the cache
        logging.warning("the compiled program is not kept for the next plan (%s)", error)
    return result


def _key(lowered: jax.stages.Lowered, target: Topology) -> str:
    """Returns a name for everything that the compiled program depends on."""
    versions = []
    for package in COMPILERS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    facts = [target.name, str(dict(target.compiler_options)), *versions, lowered.as_text()]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()
