"""Facts of accelerators, from their makers' documents.

Sources: https://cloud.google.com/tpu/docs/v5e, https://cloud.google.com/tpu/docs/v5p and
https://cloud.google.com/tpu/docs/v6e. They state the interconnect's bandwidth of a chip in both directions together
(400, 1,200 and 800 GB/s) over all ports (4, 6 and 4). The clock follows from the peak: the matrix units of v5e and v5p
(4 and 8 of a chip) multiply 128 x 128 pairs of numbers in a cycle.
"""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Chip:
    """An accelerator.

    Attributes:
      name: name of the maker.
      flops: bfloat16 operations per second of matrix products, two for each multiply-add.
      memory: main memory, bytes.
      bandwidth: bandwidth of the main memory, bytes per second.
      link: bandwidth of one link to a neighbour in one direction, bytes per second.
      ring: length from which an axis of a slice is closed to a ring.
      accelerator: type of a slice for libtpu, with its number as `{}`.
      cores: number that this type counts for each chip.
      clock: cycles per second; None where the documents do not allow to derive it.
    """

    name: str
    flops: float
    memory: int
    bandwidth: float
    link: float
    ring: int
    accelerator: str
    cores: int = 1
    clock: float | None = None

    def interconnect(self, shape: Sequence[int]) -> float:
        """Returns the bandwidth of a chip to its neighbours in one direction, bytes per second.

        Args:
          shape: chips of the slice along each axis. A chip at the end of an axis that is not a ring has one neighbour
            on it, and a collective waits for this chip.
        """
        return self.link * sum((1 if length < self.ring else 2) for length in shape if length > 1)


# By the generation in the name of a topology, such as v5e:4x4.
CHIPS = {
    "v5e": Chip("TPU v5e", 197e12, 16 * 2**30, 819e9, 50e9, 16, "v5litepod-{}", clock=1.5e9),
    "v5p": Chip("TPU v5p", 459e12, 95 * 2**30, 2765e9, 100e9, 4, "v5p-{}", cores=2, clock=1.75e9),
    "v6e": Chip("TPU v6e", 918e12, 32 * 2**30, 1640e9, 100e9, 16, "v6e-{}"),
}
