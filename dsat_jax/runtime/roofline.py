"""The roofline of a program: the least time that its arithmetic, its memory and its collectives can take on a chip.

A real step takes longer: arithmetic outside matrix products, the latency of each instruction and collective, and
transfers that do not overlap with arithmetic are not counted. The cache of a GPU is not counted either: an array that
is still in it when it is read takes less time than the roofline states.
"""

import dataclasses
from collections.abc import Sequence

from dsat_jax.runtime.chips import Chip
from dsat_jax.runtime.hlo_costs import Costs


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Times in seconds, each as if it were alone.

    Attributes:
      arithmetic: time of the matrix products at the chip's peak.
      memory: time of the bytes in the main memory at its bandwidth.
      interconnect: time of the bytes that a chip sends to others.
    """

    arithmetic: float
    memory: float
    interconnect: float

    @property
    def seconds(self) -> float:
        """Time at best: that of the slowest, with everything else at the same time."""
        return max(dataclasses.astuple(self))

    @property
    def bound(self) -> str:
        """Name of the slowest."""
        return max(dataclasses.asdict(self).items(), key=lambda item: item[1])[0]


def roofline(costs: Costs, chip: Chip, shape: Sequence[int]) -> Roofline:
    """Returns the roofline of a program.

    Args:
      costs: costs of the program on one device.
      chip: facts of the chip.
      shape: chips of the slice along each axis.
    """
    sent = sum(collective.sent for collective in costs.collectives.values())
    return Roofline(
        arithmetic=sum(chip.product_seconds(number, *kind) for kind, number in costs.products.items()),
        memory=costs.bytes / chip.bandwidth,
        interconnect=sent / chip.interconnect(shape) if sent else 0.0,
    )
