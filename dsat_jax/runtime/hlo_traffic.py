"""Bytes that the instructions of a compiled program read and write.

A fusion reads of a parameter only the parts that it slices.
"""

from collections.abc import Iterator

from dsat_jax.runtime.hlo import Computation, Instruction, Program
from dsat_jax.runtime.hlo_collectives import is_collective
from dsat_jax.runtime.hlo_products import is_library_call

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


def traffic(
    program: Program, computation: Computation, instruction: Instruction
) -> Iterator[tuple[int, int]]:
    """Yields the memory space and the bytes of each array that an instruction reads or writes.

    A fusion that continues a collective does not count the collective's arrays, which count once.
    """
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
        yield from array_traffic(computation, instruction)


def array_traffic(computation: Computation, instruction: Instruction) -> Iterator[tuple[int, int]]:
    """Yields the memory space and the bytes of each operand and each result, which are read and written as a whole."""
    results = instruction.shapes
    if instruction.opcode.endswith("-start"):  # its tuple also has operands and contexts
        ends = [user.shapes for user in computation.users[instruction.name] if user.opcode.endswith("-done")]
        results = ends[0] if ends else results[:1]
    elif is_library_call(instruction) and len(results) > 1:
        results = results[:-1]  # without the workspace
    operands = (shape for operand in computation.operands(instruction) for shape in operand.shapes)
    for shape in (*operands, *results):
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
        elif user.opcode == "tuple" or is_collective(user):
            continue  # handed on to the next fusion
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
    if value.opcode == "parameter" or is_collective(value):
        return [0] * len(value.shapes)  # handed on
    if value.opcode == "dynamic-update-slice":
        return [computation.operands(value)[1].shapes[0].stored]
    if value.opcode == "fusion":
        return _written(program, program.computations[value.called("calls")])
    return [shape.stored for shape in value.shapes]
