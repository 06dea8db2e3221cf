"""Operations of the matrix products and convolutions in a compiled program."""

import math
import re
from collections.abc import Iterator

from dsat_jax.runtime.hlo import Computation, Instruction, Program, Shape


def inner_instructions(
    program: Program, computation: Computation, instruction: Instruction
) -> Iterator[tuple[Computation, Instruction]]:
    """Yields an instruction, or those inside it if it is a fusion, each with its computation."""
    called = instruction.called("calls")
    if called is None:
        yield computation, instruction
        return
    inside = program.computations[called]
    for inner in inside:
        yield from inner_instructions(program, inside, inner)


def products(
    program: Program, computation: Computation, instruction: Instruction
) -> Iterator[tuple[Instruction, int]]:
    """Yields the matrix products, convolutions and kernels in an instruction, with their operations.

    A Pallas kernel has the operations that its author states (`pallas.CostEstimate`); one without them is left out.
    """
    for home, inner in inner_instructions(program, computation, instruction):
        if inner.opcode == "dot":
            left = home.operands(inner)[0].shapes[0].dimensions
            axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", inner.attributes)[1]
            contracted = math.prod(left[int(axis)] for axis in axes.split(",") if axis)
            yield inner, 2 * math.prod(inner.shapes[0].dimensions) * contracted
        elif inner.opcode == "convolution":
            left, right = (operand.shapes[0] for operand in home.operands(inner))
            yield inner, convolution_operations(left, right, inner.shapes[0], inner.attributes)
        elif is_kernel(inner):
            stated = re.search(r'"cost_estimate":\{"flops":"(\d+)"', inner.attributes)
            if stated:
                yield inner, int(stated[1])


def is_kernel(instruction: Instruction) -> bool:
    """Returns whether an instruction is a Pallas kernel."""
    return instruction.called("custom_call_target") == "tpu_custom_call"


def convolution_operations(left: Shape, right: Shape, result: Shape, attributes: str) -> int:
    """Returns the operations of a convolution, two for each multiply-add; products with padding do not count.

    Args:
      left: input.
      right: kernel.
      result: output.
      attributes: text with `dim_labels` and, unless there are no spatial dimensions, `window`.
    """
    inputs, kernel, outputs = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes).groups()
    window = dict(
        re.findall(r"(\w+)=([\w-]+)", (re.search(r"window=\{([^}]*)\}", attributes) or [""])[0][8:-1])
    )
    adds = left.dimensions[inputs.index("b")] * right.dimensions[kernel.index("i")]
    adds *= right.dimensions[kernel.index("o")]
    groups = re.search(r"batch_group_count=(\d+)", attributes)
    adds //= int(groups[1]) if groups else 1
    for axis in range(len(inputs) - 2):
        label = str(axis)
        adds *= _pairs(
            left.dimensions[inputs.index(label)],
            right.dimensions[kernel.index(label)],
            result.dimensions[outputs.index(label)],
            {name: value.split("x")[axis] for name, value in window.items()},
        )
    return 2 * adds


def _pairs(length: int, size: int, results: int, window: dict[str, str]) -> int:
    """Returns the number of pairs of an output and a kernel position that meet an input, along one dimension."""
    stride, spread, dilation = (int(window.get(key, 1)) for key in ("stride", "lhs_dilate", "rhs_dilate"))
    low = int(window.get("pad", "0_0").partition("_")[0])
    positions = (
        out * stride + tap * dilation - low for out in range(results) for tap in range(size)
    )  # in the input with its zeros between the elements
    return sum(at % spread == 0 and 0 <= at // spread < length for at in positions)
