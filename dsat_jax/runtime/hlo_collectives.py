"""Collective operations of a compiled program: what devices send to each other."""

import dataclasses
import math
import re

from dsat_jax.runtime.hlo import Instruction

# Bytes that a device sends for an operand of one byte, in a group of n devices.
COLLECTIVES = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: n - 1,
    "reduce-scatter": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "collective-permute": lambda n: 1,
}
# Parts of a collective that runs while other instructions do; they hand on its arrays.
_PARTS = ("AsyncCollectiveStart", "AsyncCollectiveDone")


@dataclasses.dataclass(frozen=True)
class Collective:
    """A collective operation.

    Attributes:
      kind: key of `COLLECTIVES`.
      runs: number of times that it runs.
      size: bytes of its operands.
      group: number of devices that take part.
    """

    kind: str
    runs: int
    size: int
    group: int

    @property
    def sent(self) -> float:
        """Bytes that a device sends in all runs."""
        return self.runs * self.size * COLLECTIVES[self.kind](self.group)


def is_collective(instruction: Instruction) -> bool:
    """Returns whether an instruction is a collective or a part of one."""
    kind = instruction.opcode.removesuffix("-start")
    return kind in COLLECTIVES or instruction.called("custom_call_target") in _PARTS


def group_size(attributes: str, devices: int) -> int:
    """Returns the number of devices that take part in a collective.

    Args:
      attributes: text with `replica_groups`, in one of XLA's three forms.
      devices: number for a text without groups.
    """
    mesh = re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", attributes)
    if mesh:
        lengths = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
        return math.prod(int(lengths[axis]) for axis in re.findall(r"'(\w+)'", mesh[2]))
    iota = re.search(r"replica_groups=\[\d+,(\d+)\]", attributes)
    if iota:
        return int(iota[1])
    listed = re.search(r"replica_groups=\{\{([\d,]+)\}", attributes)
    return len(listed[1].split(",")) if listed else devices
