"""Facts of accelerators, from their makers' documents.

Sources: https://cloud.google.com/tpu/docs/v5e, https://cloud.google.com/tpu/docs/v5p and
https://cloud.google.com/tpu/docs/v6e. They state the interconnect's bandwidth of a chip in both directions together
(400, 1,200 and 800 GB/s) over all ports (4, 6 and 4). The clock follows from the peak: the matrix units of v5e and v5p
(4 and 8 of a chip) multiply 128 x 128 pairs of numbers in a cycle.

https://www.nvidia.com/en-us/data-center/h100 states the rates of the H100 SXM with sparse matrices (bfloat16 1,979 and
TF32 989 TFLOP/s), which are twice those of dense ones; 67 TFLOP/s for float32 without tensor cores; and 900 GB/s of
NVLink in both directions together. The memory is what the driver reports.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Chip:
    """An accelerator.

    Attributes:
      name: name of the maker.
      flops: bfloat16 operations per second of dense matrix products, two for each multiply-add.
      float32: time of a product of float32 numbers as a multiple of that of bfloat16 numbers, by the precision in HLO.
      memory: main memory, bytes.
      bandwidth: bandwidth of the main memory, bytes per second.
      link: bandwidth of one link in one direction, bytes per second.
      ring: length from which an axis of a slice is closed to a ring; None for chips with one link to a switch.
      accelerator: type of a slice for libtpu, with its number as `{}`; None for GPUs.
      cores: number that this type counts for each chip.
      clock: cycles per second; None where the documents do not allow to derive it.
    """

    name: str
    flops: float
    float32: Mapping[str, float]
    memory: int
    bandwidth: float
    link: float
    ring: int | None
    accelerator: str | None = None
    cores: int = 1
    clock: float | None = None

    def interconnect(self, shape: Sequence[int]) -> float:
        """Returns the bandwidth of a chip to the others in one direction, bytes per second.

        Args:
          shape: chips of the slice along each axis. A chip at the end of an axis that is not a ring has one neighbour
            on it, and a collective waits for this chip. The bandwidth to a switch is the same for any number of chips.
        """
        if self.ring is None:
            return self.link
        return self.link * sum((1 if length < self.ring else 2) for length in shape if length > 1)

    def hops(self, shape: Sequence[int]) -> int:
        """Returns the number of links between the chips of a slice that are farthest from each other."""
        if self.ring is None:
            return 1 if math.prod(shape) > 1 else 0
        return sum(length - 1 if length < self.ring else length // 2 for length in shape)

    def product_seconds(self, operations: float, dtype: str, precision: str) -> float:
        """Returns the time of matrix products at the chip's peak.

        Args:
          operations: number of operations, two for each multiply-add.
          dtype: type of the operands in HLO, such as bf16 or f32.
          precision: precision in HLO: default, high or highest.
        """
        return operations * (self.float32[precision] if dtype == "f32" else 1) / self.flops


# Products of float32 numbers on a TPU's bfloat16 units: one product at the default precision, several of parts of the
# numbers at higher ones.
_PASSES = {"default": 1, "high": 3, "highest": 6}
# On a GPU, XLA chooses TF32, at half the rate, for the default and the high precision. The highest one does not use the
# tensor cores.
_H100_RATES = {"default": 2, "high": 2, "highest": 989 / 67}

# By the generation in the name of a topology, such as v5e:4x4.
CHIPS = {
    "v5e": Chip(
        "TPU v5e", 197e12, _PASSES, 16 * 2**30, 819e9, 50e9, 16, accelerator="v5litepod-{}", clock=1.5e9
    ),
    "v5p": Chip(
        "TPU v5p",
        459e12,
        _PASSES,
        95 * 2**30,
        2765e9,
        100e9,
        4,
        accelerator="v5p-{}",
        cores=2,
        clock=1.75e9,
    ),
    "v6e": Chip("TPU v6e", 918e12, _PASSES, 32 * 2**30, 1640e9, 100e9, 16, accelerator="v6e-{}"),
    "h100": Chip("NVIDIA H100 SXM", 989e12, _H100_RATES, 84942979072, 3350e9, 450e9, None),
}
