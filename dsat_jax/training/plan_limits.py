"""What limits a planned run besides its programs: input, waiting for collectives, checkpoints, the size of the batch.

The times are estimates from the figures below, for a comparison with the roofline of the training step.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from dsat_jax.runtime.topologies import Topology

# Crops of 128 px that a reader process makes in a second from JPEGs of about 256 px (docs/training.md).
CROPS_PER_SECOND = 1_800
# Of a message from a chip to its neighbour or through a switch; an assumption, since makers state no latency.
HOP_SECONDS = 1e-6
# Of a host that writes a checkpoint; an assumption.
SAVED_BYTES_PER_SECOND = 1e9
NEGLIGIBLE = 0.05  # share of the step


@dataclasses.dataclass(frozen=True)
class Limit:
    """Something that can take longer than the training step itself.

    Attributes:
      name: name for the report.
      seconds: estimated time for each step, if nothing else happened meanwhile.
      answer: what to change if this is too long.
    """

    name: str
    seconds: float
    answer: str


def limits(config: ConfigDict, training: Mapping[str, Any], target: Topology) -> list[Limit]:
    """Returns the limits of a run besides the roofline of its training step, the longest first.

    Args:
      config: run's configuration.
      training: prediction for the training step, from `plan`.
      target: planned accelerators.
    """
    found = [
        _input(config, training, target),
        _collectives(config, training, target),
        _checkpoints(config, training, target),
    ]
    return sorted(found, key=lambda limit: -limit.seconds)


def _input(config: ConfigDict, training: Mapping[str, Any], target: Topology) -> Limit:
    faces = training["images"] / target.hosts
    readers = max(config.train.reader_processes, 1)
    seconds = 0.0 if config.data.resident else faces / (readers * CROPS_PER_SECOND)
    needed = math.ceil(faces / CROPS_PER_SECOND / training["roofline"]["seconds"])
    return Limit(
        f"input, {faces:,.0f} faces from {readers} reader(s) on each of {target.hosts} hosts",
        seconds,
        f"--config.train.reader_processes={needed} at full speed, or --config.data.resident=true",
    )


def _collectives(config: ConfigDict, training: Mapping[str, Any], target: Topology) -> Limit:
    number = sum(kind["number"] for kind in training["collectives"].values())
    hops = 2 * target.chip.hops(target.shape)  # to sum and to send the sum back
    answer = "fewer chips, or more faces on each chip"
    if config.train.statistics == "batch":
        answer = "--config.train.statistics=device, " + answer
    return Limit(f"waiting, {number} collectives of {hops} hops", number * hops * HOP_SECONDS, answer)


def _checkpoints(config: ConfigDict, training: Mapping[str, Any], target: Topology) -> Limit:
    state = training["memory_gib"]["state"] * 2**30 * config.mesh.model
    split = min(config.mesh.model, target.hosts)
    seconds = state / split / SAVED_BYTES_PER_SECOND
    every = math.ceil(seconds / NEGLIGIBLE / training["roofline"]["seconds"])
    return Limit(
        f"checkpoints, {state / 2**30:.2f} GiB every {config.train.save_every} steps",
        seconds / config.train.save_every,
        f"--config.train.save_every={every} for {NEGLIGIBLE:.0%} of the time",
    )


def largest_batch(training: Mapping[str, Any], devices: int) -> int:
    """Returns the faces that fit all devices, if temporary memory grows in proportion to the batch.

    The batch is a multiple of the devices; 0 if not even one face fits each.

    Args:
      training: prediction for the training step, which fits.
      devices: number of devices.
    """
    memory, faces = training["memory_gib"], training["images"] // devices
    free = memory["chip"] - (memory["needed"] - memory["temporary"])
    return devices * math.floor(free / (memory["temporary"] / faces))
