"""Operations of the matrix products and convolutions in a compiled program."""

import dataclasses
import math
import re
from collections.abc import Iterator

from dsat_jax.runtime.hlo import Computation, Instruction, Program, Shape

# Beginnings of the names of NVIDIA's libraries.
_LIBRARIES = ("__cublas$", "__cudnn$")
# The operations that a kernel states; XLA writes the metadata of Triton kernels with escaped quotation marks.
_STATED = re.compile(r'(?:"|\\22)flops(?:"|\\22): ?(?:"|\\22)(\d+)')
_FLOAT = re.compile(r"b?f(\d+)")
_KERNELS = ("tpu_custom_call", "__gpu$xla.gpu.triton")


@dataclasses.dataclass(frozen=True)
class Product:
    """A matrix product, a convolution, or all products of a kernel.

    Attributes:
      operations: number of operations, two for each multiply-add.
      dtype: widest type of the operands in HLO; the narrowest for a kernel, which may also have sums as operands.
      precision: precision in HLO: default, high or highest.
    """

    operations: int
    dtype: str
    precision: str


def inner_instructions(
    program: Program, computation: Computation, instruction: Instruction
) -> Iterator[tuple[Computation, Instruction]]:
    """Yields an instruction, or those inside it if it is a fusion or starts a call, each with its computation."""
    called = instruction.called("calls")
    if called is None:
        yield computation, instruction
        return
    if instruction.opcode in ("async-update", "async-done"):  # what the start has called
        return
    inside = program.computations[called]
    for inner in inside:
        yield from inner_instructions(program, inside, inner)


def products(program: Program, computation: Computation, instruction: Instruction) -> Iterator[Product]:
    """Yields the matrix products, convolutions and kernels in an instruction.

    A Pallas kernel has the operations that its author states: on a TPU by `pallas.CostEstimate`, on a GPU by `flops` in
    its metadata. One without them is left out.
    """
    for home, inner in inner_instructions(program, computation, instruction):
        operands = [shape for each in home.operands(inner) for shape in each.shapes[:1]]
        operations = _operations(inner, operands)
        if operations is not None:
            floats = sorted(
                (int(dtype[1]), dtype[0]) for each in operands if (dtype := _FLOAT.match(each.dtype))
            )
            dtype = floats[0 if is_kernel(inner) else -1][1] if floats else ""
            precision = re.search(r'operand_precision(?:=\{|":\[")(\w+)', inner.attributes)
            yield Product(operations, dtype, precision[1].lower() if precision else "default")


def _operations(instruction: Instruction, operands: list[Shape]) -> int | None:
    """Returns the operations of an instruction; None for one that is no product or does not state them."""
    target = instruction.called("custom_call_target") or ""
    if instruction.opcode == "dot" or target.startswith("__cublas$"):
        axes = re.search(r'lhs_contracting_dim\w+(?:=\{|":\[)([\d,"]*)', instruction.attributes)[1]
        contracted = math.prod(operands[0].dimensions[int(axis)] for axis in re.findall(r"\d+", axes))
        return 2 * math.prod(instruction.shapes[0].dimensions) * contracted
    if instruction.opcode == "convolution" or target.startswith("__cudnn$conv"):
        left, right, result = operands[0], operands[1], instruction.shapes[0]
        # Gradients are described by the shapes of the forward convolution.
        if target == "__cudnn$convBackwardInput":
            left, result = result, left
        elif target == "__cudnn$convBackwardFilter":
            right, result = result, right
        return convolution_operations(left, right, result, instruction.attributes)
    if is_kernel(instruction):
        stated = _STATED.search(instruction.attributes)
        return int(stated[1]) if stated else None
    return None


def is_kernel(instruction: Instruction) -> bool:
    """Returns whether an instruction is a Pallas kernel."""
    return instruction.called("custom_call_target") in _KERNELS


def is_library_call(instruction: Instruction) -> bool:
    """Returns whether an instruction calls cuBLAS or cuDNN."""
    return (instruction.called("custom_call_target") or "").startswith(_LIBRARIES)


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
