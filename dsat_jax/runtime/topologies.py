"""Devices of accelerators that are not attached, for which XLA compiles programs without running them."""

import dataclasses
import importlib.util
import math
import os
import re
from collections.abc import Sequence

import jax
from jax.experimental import topologies

from dsat_jax.errors import UserError
from dsat_jax.runtime.chips import CHIPS, Chip


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice of accelerators.

    Attributes:
      name: name, such as v5e:4x4.
      chip: facts of one chip.
      shape: chips along each axis.
      devices: devices to compile for, one for each chip.
    """

    name: str
    chip: Chip
    shape: tuple[int, ...]
    devices: Sequence[jax.Device]


def use_cpu() -> None:
    """Keeps JAX on the CPU, so that a compilation neither waits for the devices of this machine nor occupies them.

    It must be called before any other use of JAX.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"  # read by `processes.start`
    jax.config.update("jax_platforms", "cpu")


def find(name: str) -> Topology:
    """Returns the topology of a name such as v5e:4x4 or v5p:2x2x1.

    Args:
      name: generation of the chip, a key of `CHIPS`, and the shape of the slice.

    Raises:
      UserError: if the name is unknown, libtpu is not installed, or it has no such slice.
    """
    match = re.fullmatch(r"(\w+):(\d+(?:x\d+)*)", name)
    if match is None or match[1] not in CHIPS:
        raise UserError(
            f"--topology={name}: expected a chip and a shape, such as v5e:4x4, with one of the chips "
            f"{', '.join(CHIPS)}"
        )
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"--topology={name} needs libtpu, TPU's compiler, which is not installed: pip install 'dsat_jax[tpu]'"
        )
    chip, shape = CHIPS[match[1]], tuple(int(length) for length in match[2].split("x"))
    # Only libtpu's compiler is used, so that several processes may load it. Without the other variables, libtpu asks a
    # metadata server for them.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", chip.accelerator.format(chip.cores * math.prod(shape)))
    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=name)
    except Exception as error:  # the class depends on the version of jaxlib
        first = str(error).strip().splitlines()[0]
        raise UserError(f"--topology={name}: libtpu has no such slice ({first})") from error
    return Topology(name, chip, shape, described.devices)
