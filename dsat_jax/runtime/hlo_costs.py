"""What a compiled program does on one device: operations, bytes of memory, collectives.

The body of a loop counts as often as it runs; XLA's own `cost_analysis` counts it once. Bytes are those that an
instruction reads and writes. A fusion reads of a parameter only the parts that it slices.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator

from dsat_jax.runtime.hlo import Computation, Instruction, Program
from dsat_jax.runtime.hlo_products import inner_instructions, is_kernel, products

# Bytes that a device sends for an operand of one byte, in a group of n devices.
COLLECTIVES = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: n - 1,
    "reduce-scatter": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "collective-permute": lambda n: 1,
}
_FREE = frozenset(
    (
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "after-all",
        "partition-id",
        "replica-id",
    )
)
_FREE_CALLS = ("AllocateBuffer", "ConcatBitcast", "AssumeGatherIndicesInBound")
_SLICES = ("dynamic-slice", "slice", "gather")
# Products of float32 numbers on a TPU's bfloat16 units: one product at the default precision, several of parts of the
# numbers at higher ones.
_PASSES = {"high": 3, "highest": 6}


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


@dataclasses.dataclass
class Costs:
    """Costs of a program on one device.

    Attributes:
      flops: operations of matrix products and convolutions, two for each multiply-add.
      passes: the same in bfloat16 operations, where a product of higher precision takes several.
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

    flops: int = 0
    passes: int = 0
    bytes: int = 0
    accessed: int = 0
    cycles: int = 0
    instructions: int = 0
    collectives: dict[str, Collective] = dataclasses.field(default_factory=dict)
    layers: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    loops: dict[str, int] = dataclasses.field(default_factory=dict)
    uncounted_kernels: int = 0
    unknown_loops: list[str] = dataclasses.field(default_factory=list)


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
    for inner, product in products(program, computation, instruction):
        costs.flops += runs * product
        precision = re.search(r"operand_precision=\{(\w+)", inner.attributes)
        costs.passes += runs * product * _PASSES.get(precision[1] if precision else "", 1)
    for home, inner in inner_instructions(program, computation, instruction):
        costs.uncounted_kernels += runs * (is_kernel(inner) and '"cost_estimate"' not in inner.attributes)
        kind = inner.opcode.removesuffix("-start")
        if kind in COLLECTIVES:
            size = sum(shape.size for operand in home.operands(inner) for shape in operand.shapes)
            collective = Collective(kind, runs, size, group_size(inner.attributes, devices))
            # The fusions that start, continue and end a collective all contain it, with the same channel.
            costs.collectives.setdefault(inner.called("channel_id") or inner.name, collective)
    traffic = list(_traffic(program, computation, instruction))
    in_main = runs * sum(size for memory, size in traffic if memory == 0)
    costs.instructions += runs if traffic else 0
    estimated = re.search(r'"estimated_cycles":"(\d+)"', instruction.attributes)
    costs.cycles += runs * int(estimated[1]) if estimated else 0
    costs.accessed += runs * sum(size for _, size in traffic)
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


def _traffic(
    program: Program, computation: Computation, instruction: Instruction
) -> Iterator[tuple[int, int]]:
    """Yields the memory space and the bytes of each array that an instruction reads or writes."""
    opcode, operands = instruction.opcode, computation.operands(instruction)
    if opcode in _FREE or opcode.endswith("-done") or instruction.called("custom_call_target") in _FREE_CALLS:
        return
    called = instruction.called("calls")
    if opcode == "fusion" and called:
        inside = program.computations[called]
        for number, operand in enumerate(operands):
            whole = sum(shape.stored for shape in operand.shapes)
            yield operand.shapes[0].memory, min(whole, _read(program, inside, inside.parameters[number]))
        for shape, size in zip(instruction.shapes, _written(program, inside), strict=True):
            yield shape.memory, size
    elif opcode in _SLICES or opcode == "slice-start":
        result = instruction.shapes[-2 if opcode == "slice-start" else 0]
        yield operands[0].shapes[0].memory, result.stored
        yield result.memory, result.stored
    elif opcode == "dynamic-update-slice":
        yield operands[1].shapes[0].memory, operands[1].shapes[0].stored
        yield instruction.shapes[0].memory, operands[1].shapes[0].stored
    else:
        results = instruction.shapes[:1] if opcode.endswith("-start") else instruction.shapes
        for shape in (*(shape for operand in operands for shape in operand.shapes), *results):
            yield shape.memory, shape.stored


def _read(program: Program, computation: Computation, value: Instruction) -> int:
    """Returns the bytes of a value that the computation of a fusion reads."""
    total = 0
    for user in computation.users[value.name]:
        places = [place for place, name in enumerate(user.operands) if name == value.name]
        if user.opcode in _SLICES and places == [0]:
            total += user.shapes[0].stored
        elif user.opcode == "dynamic-update-slice" and places == [0]:
            continue  # updated in place
        elif user.opcode == "bitcast":
            total += _read(program, computation, user)
        elif user.opcode == "fusion":
            inside = program.computations[user.called("calls")]
            total += sum(_read(program, inside, inside.parameters[place]) for place in places)
        else:
            return value.shapes[0].stored
    return total


def _written(program: Program, computation: Computation) -> list[int]:
    """Returns the bytes of each result that the computation of a fusion writes."""
    roots = [computation.root]
    if computation.root.opcode == "tuple":
        roots = computation.operands(computation.root)
    return [size for root in roots for size in _written_by(program, computation, root)]


def _written_by(program: Program, computation: Computation, value: Instruction) -> list[int]:
    while value.opcode == "bitcast":
        value = computation.operands(value)[0]
    if value.opcode == "dynamic-update-slice":
        return [computation.operands(value)[1].shapes[0].stored]
    if value.opcode == "fusion":
        return _written(program, program.computations[value.called("calls")])
    return [shape.stored for shape in value.shapes]
