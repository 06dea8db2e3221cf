"""Programs in XLA's text format (HLO): computations, their instructions, and shapes with layouts.

The text of a compiled program states what `cost_analysis` leaves out: the loops around an instruction, the layer that
it comes from, and the memory of each array.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence

_SHAPE = re.compile(r"(\w+)\[([\d,<=]*)\](?:\{([^{}]*)\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\) -> .*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.-]+) = (.*)$")
_NAME = re.compile(r"%([\w.-]+)")


@dataclasses.dataclass(frozen=True)
class Shape:
    """An array of a program.

    Attributes:
      dtype: name of the type in HLO, such as bf16.
      dimensions: lengths.
      size: bytes of the elements.
      stored: bytes in memory, where the layout pads the last dimensions to whole tiles.
      memory: memory space; 0 is the device's main memory. On a TPU, 1 is the vector memory next to the cores.
    """

    dtype: str
    dimensions: tuple[int, ...]
    size: int
    stored: int
    memory: int = 0


@dataclasses.dataclass(frozen=True)
class Instruction:
    """An instruction of a computation.

    Attributes:
      name: name, unique in its computation.
      opcode: operation, such as fusion.
      shapes: arrays of the result; several for a tuple.
      operands: names of the operands.
      argument: text in the parentheses: the operands, or the value of a constant.
      attributes: text after the parentheses.
      root: whether the result is that of the computation.
    """

    name: str
    opcode: str
    shapes: tuple[Shape, ...]
    operands: tuple[str, ...]
    argument: str
    attributes: str
    root: bool

    @property
    def layer(self) -> str:
        """Name of the traced operation that the instruction comes from (`op_name`); empty without one."""
        match = re.search(r'op_name="([^"]*)"', self.attributes)
        return match[1] if match else ""

    def called(self, attribute: str) -> str | None:
        """Returns the name of the computation in an attribute such as `calls`; None if the attribute is missing."""
        match = re.search(rf"\b{attribute}=[%\"]?([\w.$-]+)", self.attributes)
        return match[1] if match else None


class Computation:
    """The instructions of a computation by name, in their order."""

    def __init__(self, instructions: Sequence[Instruction]):
        self.instructions: Mapping[str, Instruction] = {each.name: each for each in instructions}
        self.root = next(each for each in instructions if each.root)

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self.instructions.values())

    def operands(self, instruction: Instruction) -> list[Instruction]:
        """Returns the instructions whose results an instruction reads."""
        return [self.instructions[name] for name in instruction.operands if name in self.instructions]

    @functools.cached_property
    def users(self) -> Mapping[str, list[Instruction]]:
        """Instructions that read a result, by its name."""
        users: dict[str, list[Instruction]] = {name: [] for name in self.instructions}
        for instruction in self:
            for name in dict.fromkeys(instruction.operands):
                users.get(name, []).append(instruction)
        return users

    @functools.cached_property
    def parameters(self) -> Mapping[int, Instruction]:
        """Parameters by their number."""
        return {int(each.argument): each for each in self if each.opcode == "parameter"}


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
      entry: computation that starts.
      computations: all computations by name.
    """

    entry: Computation
    computations: Mapping[str, Computation]

    def trip_count(self, loop: Instruction, outside: Computation) -> int | None:
        """Returns how often the body of a `while` runs; None if the text does not state it.

        XLA writes the count where it has analysed the loop. Otherwise the condition of a loop that JAX made compares
        a counter, which grows by one, with a constant.

        Args:
          loop: instruction `while`.
          outside: computation that contains it.
        """
        stated = re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.attributes)
        if stated:
            return int(stated[1])
        condition = self.computations[loop.called("condition")]
        if condition.root.opcode != "compare" or "direction=LT" not in condition.root.attributes:
            return None
        counter, limit = condition.operands(condition.root)
        index = re.search(r"\bindex=(\d+)", counter.attributes)
        if counter.opcode != "get-tuple-element" or limit.opcode != "constant" or not index:
            return None
        start = outside.operands(outside.operands(loop)[0])[int(index[1])]
        while start.opcode == "copy":
            start = outside.operands(start)[0]
        return int(limit.argument) - int(start.argument) if start.opcode == "constant" else None


def parse(text: str) -> Program:
    """Returns a program from the text of `jax.stages.Compiled.as_text`.

    Raises:
      ValueError: if the text has no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry, name, instructions = None, None, []
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            name, instructions = header[2], []
            entry = name if header[1] else entry
        elif line.startswith("}") and name is not None:
            computations[name], name = Computation(instructions), None
        elif name is not None:
            match = _INSTRUCTION.match(line)
            if match:
                instructions.append(_instruction(match[2], match[3], bool(match[1])))
    if entry is None:
        raise ValueError("the text has no ENTRY computation, expected that of a compiled program")
    return Program(computations[entry], computations)


def _instruction(name: str, text: str, root: bool) -> Instruction:
    end = _closing(text, 0) + 1 if text.startswith("(") else text.index(" ")
    opcode, _, _ = text[end:].strip().partition("(")
    start = text.index("(", end)
    close = _closing(text, start)
    argument = text[start + 1 : close]
    operands = tuple(_NAME.findall(argument))
    return Instruction(name, opcode, shapes_in(text[:end]), operands, argument, text[close + 1 :], root)


def _closing(text: str, start: int) -> int:
    """Returns the index of the parenthesis that closes the one at `start`."""
    depth = 0
    for match in re.compile(r"[()]").finditer(text, start):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return match.start()
    raise ValueError(f"a parenthesis is not closed: {text[:80]}")


def shapes_in(text: str) -> tuple[Shape, ...]:
    """Returns the shapes in a text such as `(f32[8,3]{1,0:T(8,128)}, bf16[4]{0:T(1024)S(1)})`."""
    return tuple(_shape(*match.groups("")) for match in _SHAPE.finditer(text))


def _shape(dtype: str, lengths: str, layout: str) -> Shape:
    dimensions = tuple(int(length.removeprefix("<=")) for length in lengths.split(",") if length)
    order, _, rest = layout.partition(":")
    minor_first = [int(axis) for axis in order.split(",") if axis]
    tile = re.search(r"T\(([\d,]+)\)", rest)
    memory = re.search(r"S\((\d+)\)", rest)
    padded = [dimensions[axis] for axis in minor_first]
    for position, length in enumerate(reversed([int(n) for n in tile[1].split(",")] if tile else [])):
        if position < len(padded):
            padded[position] = -(-padded[position] // length) * length
        else:
            padded.append(length)
    bits = _bits(dtype)
    return Shape(
        dtype,
        dimensions,
        math.prod(dimensions) * bits // 8,
        math.prod(padded if layout else dimensions) * bits // 8,
        int(memory[1]) if memory else 0,
    )


def _bits(dtype: str) -> int:
    """Returns the bits of an element; 0 for types without elements, such as token."""
    if dtype == "pred":
        return 8
    width = re.match(r"(?:bf|f|s|u|c)(\d+)", dtype)
    return int(width[1]) if width else 0
