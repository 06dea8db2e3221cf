"""What a compiled program does on one device: operations, bytes of memory, collectives.

The body of a loop counts as often as it runs; XLA's own `cost_analysis` counts it once.
"""

import collections
import dataclasses
import re

from dsat_jax.runtime.hlo import Computation, Instruction, Program
from dsat_jax.runtime.hlo_collectives import COLLECTIVES, Collective, group_size
from dsat_jax.runtime.hlo_products import inner_instructions, is_kernel, products
from dsat_jax.runtime.hlo_traffic import array_traffic, traffic


@dataclasses.dataclass
class Costs:
    """Costs of a program on one device.

    Attributes:
      products: operations of matrix products and convolutions, two for each multiply-add, by dtype and precision.
      bytes: bytes read and written in the main memory.
      accessed: bytes read and written in all memories.
      cycles: sum of the compiler's own estimates for the instructions that have one; transfers have none.
      instructions: number of instructions that read or write an array.
      collectives: collective operations by channel, or by name of the instruction.
      layers: bytes of the main memory by layer.
      loops: loops with their number of rounds, by name of the instruction.
      uncounted_kernels: number of runs of Pallas kernels that do not state their operations.
      unknown_loops: names of the loops whose body is counted once, because the number of rounds is not stated.
    """

    products: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    bytes: int = 0
    accessed: int = 0
    cycles: int = 0
    instructions: int = 0
    collectives: dict[str, Collective] = dataclasses.field(default_factory=dict)
    layers: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    loops: dict[str, int] = dataclasses.field(default_factory=dict)
    uncounted_kernels: int = 0
    unknown_loops: list[str] = dataclasses.field(default_factory=list)

    @property
    def flops(self) -> int:
        """Operations of all products."""
        return self.products.total()


def costs_of(program: Program, devices: int) -> Costs:
    """Returns the costs of a program on one device.

    Args:
      program: program from `hlo.parse`.
      devices: number of devices of the program, for collectives of all of them.
    """
    costs = Costs()
    _add(costs, program, program.entry, 1, devices)
    return costs


def _add(costs: Costs, program: Program, computation: Computation, runs: int, devices: int) -> None:
    """Adds the costs of a computation that runs `runs` times."""
    for instruction in computation:
        if instruction.opcode == "while":
            rounds = program.trip_count(instruction, computation)
            if rounds is None:
                costs.unknown_loops.append(instruction.name)
            else:
                costs.loops[instruction.name] = rounds
            body = program.computations[instruction.called("body")]
            _add(costs, program, body, runs * (1 if rounds is None else rounds), devices)
        elif instruction.opcode == "conditional":
            branches = [Costs() for _ in _branches(instruction)]
            for branch, name in zip(branches, _branches(instruction), strict=True):
                _add(branch, program, program.computations[name], runs, devices)
            _merge(costs, max(branches, key=lambda branch: branch.bytes))
        elif instruction.opcode == "call":
            _add(costs, program, program.computations[instruction.called("to_apply")], runs, devices)
        else:
            _add_instruction(costs, program, computation, instruction, runs, devices)


def _add_instruction(
    costs: Costs,
    program: Program,
    computation: Computation,
    instruction: Instruction,
    runs: int,
    devices: int,
) -> None:
    operations = list(products(program, computation, instruction))
    for product in operations:
        costs.products[product.dtype, product.precision] += runs * product.operations
    moved = list(traffic(program, computation, instruction))
    for home, inner in inner_instructions(program, computation, instruction):
        costs.uncounted_kernels += runs * (is_kernel(inner) and not operations)
        kind = inner.opcode.removesuffix("-start")
        if kind in COLLECTIVES:
            size = sum(shape.size for operand in home.operands(inner) for shape in operand.shapes)
            collective = Collective(kind, runs, size, group_size(inner.attributes, devices))
            # The fusions that start, continue and end a collective all contain it, with the same channel.
            name = inner.called("channel_id") or inner.name
            if instruction.opcode == "fusion" and name not in costs.collectives:
                moved += array_traffic(home, inner)
            costs.collectives.setdefault(name, collective)
    in_main = runs * sum(size for memory, size in moved if memory == 0)
    costs.instructions += runs if moved else 0
    estimated = re.search(r'"estimated_cycles":"(\d+)"', instruction.attributes)
    costs.cycles += runs * int(estimated[1]) if estimated else 0
    costs.accessed += runs * sum(size for _, size in moved)
    costs.bytes += in_main
    if in_main:
        costs.layers[layer_of(_origin(computation, instruction))] += in_main


def _merge(costs: Costs, other: Costs) -> None:
    for field in dataclasses.fields(Costs):
        mine, added = getattr(costs, field.name), getattr(other, field.name)
        if isinstance(mine, dict):  # of counters, `update` adds
            mine.update(added)
        else:
            setattr(costs, field.name, mine + added)


def _branches(instruction: Instruction) -> list[str]:
    """Returns the names of the computations of a conditional."""
    listed = re.search(r"branch_computations=\{([^}]*)\}", instruction.attributes)
    if listed:
        return [name.strip().removeprefix("%") for name in listed[1].split(",")]
    return [name for which in ("true", "false") if (name := instruction.called(f"{which}_computation"))]


def _origin(computation: Computation, instruction: Instruction) -> Instruction:
    """Returns the instruction whose layer needs an instruction that XLA added, such as a copy between memories.

    It is the first that reads the result and has a layer, or else the instruction itself.
    """
    seen = reached = [instruction]
    while reached:
        named = next((each for each in reached if "jit(" in each.layer), None)
        if named is not None:
            return named
        reached = [user for each in reached for user in computation.users[each.name] if user not in seen]
        reached = [user for user in reached if user.opcode not in ("while", "conditional", "tuple")]
        seen = seen + reached
    return instruction


def layer_of(instruction: Instruction) -> str:
    """Returns the layer of an instruction, such as `backward DSAT/gate/extract_1`.

    An instruction outside all layers, such as one of the optimiser, has the name of its operation in quotation marks,
    and one that XLA added has its opcode in parentheses.
    """
    name = instruction.layer.split(";")[0]
    if not name:
        return f"({instruction.opcode})"
    direction = "backward " if "transpose(" in name else ("forward " if "jvp(" in name else "")
    parts = []
    for part in name.split("/"):
        bare = re.sub(r"^(?:transpose\()?jvp\((.*?)\)+$", r"\1", part)
        if bare and bare not in ("while", "body", "closed_call", "cond") and not re.search(r"[(<]", bare):
            parts.append(bare)
    return direction + ("/".join(parts[:-1]) or f"'{parts[-1] if parts else instruction.opcode}'")
