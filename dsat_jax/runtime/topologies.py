"""Devices of accelerators that are not attached, for which XLA compiles programs without running them."""

import dataclasses
import importlib.util
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax.experimental import topologies

from dsat_jax.errors import UserError
from dsat_jax.runtime.chips import CHIPS, Chip

# A GPU for XLA's compiler, as text of its GpuTargetConfigProto: an H100 SXM.
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 device_memory_size: 84942979072 l2_cache_size: 52428800
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
_MOST_GPUS = 8  # connected by one switch
# Autotuning, which also chooses between cuBLAS and Triton for a product, needs a GPU.
_GPU_OPTIONS = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice of TPUs, or the GPUs of a host.

    Attributes:
      name: name, such as v5e:4x4 or h100:8.
      chip: facts of one chip.
      shape: chips along each axis.
      devices: devices to compile for, one for each chip.
      compiler_options: XLA's options for a compilation without the devices.
    """

    name: str
    chip: Chip
    shape: tuple[int, ...]
    devices: Sequence[jax.Device]
    compiler_options: Mapping[str, Any]

    @property
    def hosts(self) -> int:
        """Number of hosts."""
        return len({device.process_index for device in self.devices})


def use_cpu() -> None:
    """Keeps JAX on the CPU, so that a compilation neither waits for the devices of this machine nor occupies them.

    It must be called before any other use of JAX.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"  # read by `processes.start`
    jax.config.update("jax_platforms", "cpu")


def find(name: str) -> Topology:
    """Returns the topology of a name such as v5e:4x4, v5p:2x2x1, h100 or h100:8.

    Args:
      name: chip, a key of `CHIPS`, and the shape of the slice or the number of GPUs; without it, one GPU.

    Raises:
      UserError: if the name is unknown, the compiler is not installed, or it has no such slice.
    """
    match = re.fullmatch(r"(\w+?)(?::([1-9]\d*(?:x[1-9]\d*)*))?", name)
    chip = CHIPS.get(match[1]) if match else None
    is_gpu = chip is not None and chip.accelerator is None
    if chip is None or (match[2] is None and not is_gpu) or (is_gpu and "x" in (match[2] or "")):
        raise UserError(
            f"--topology={name}: expected a chip and a shape, such as v5e:4x4 or h100:8, with one of the chips "
            f"{', '.join(CHIPS)}"
        )
    shape = tuple(int(length) for length in (match[2] or "1").split("x"))
    if is_gpu:
        return Topology(name, chip, shape, _gpus(name, shape[0]), _GPU_OPTIONS)
    return Topology(name, chip, shape, _tpus(name, chip, shape), {})


def _tpus(name: str, chip: Chip, shape: Sequence[int]) -> Sequence[jax.Device]:
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"--topology={name} needs libtpu, TPU's compiler, which is not installed: pip install 'dsat_jax[tpu]'"
        )
    # Only libtpu's compiler is used, so that several processes may load it. Without the other variables, libtpu asks a
    # metadata server for them.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", chip.accelerator.format(chip.cores * math.prod(shape)))
    return _described(name, "libtpu", platform="tpu", topology_name=name)


def _gpus(name: str, count: int) -> Sequence[jax.Device]:
    if count > _MOST_GPUS:
        raise UserError(f"--topology={name}: expected at most {_MOST_GPUS} GPUs, those of one host")
    if importlib.util.find_spec("jax_cuda13_plugin") is None:
        raise UserError(
            f"--topology={name} needs JAX's plugin for CUDA 13, which compiles without a GPU and is not installed: "
            "pip install 'dsat_jax[cuda]'"
        )
    shape = f"1x1x{count}"  # partitions, hosts of a partition, GPUs of a host
    return _described(
        name, "the plugin", platform="cuda", topology_name=name, topology=shape, target_config=_H100
    )


def _described(name: str, compiler: str, **arguments: str) -> Sequence[jax.Device]:
    """Returns the devices of a topology; see `jax.experimental.topologies.get_topology_desc` for the arguments."""
    try:
        return topologies.get_topology_desc(**arguments).devices
    except Exception as error:  # the class depends on the version of jaxlib
        first = str(error).strip().splitlines()[0]
        raise UserError(f"--topology={name}: {compiler} has no such slice ({first})") from error
