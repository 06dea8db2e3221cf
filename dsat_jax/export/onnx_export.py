"""Export to ONNX, for runtimes without JAX. The converter is jax2onnx, an optional dependency.

The converter receives a traced network instead of the Flax module, because it replaces Flax's layers by its own and
does not support all of their options. Operations that it cannot convert, or converts to slow ones, are first rewritten
with other operations. Tested with jax2onnx 0.17.1.
"""

import importlib.metadata
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.export
import jax.extend.core
import jax.numpy as jnp
from jax import lax

from dsat_jax.errors import UserError
from dsat_jax.export import onnx_metadata
from dsat_jax.export.network import as_network
from dsat_jax.inference.export_archive import Settings
from dsat_jax.inference.forward import Forward
from dsat_jax.weights.names import by_name

OPSET = 21
OLDEST = (0, 17, 1)  # version of jax2onnx
# Every jax2onnx since 0.13 asks for an older Orbax than training needs, but does not use it in a conversion.
INSTALL = "pip install --no-deps jax2onnx==0.17.1 && pip install onnx onnxruntime onnx-ir"
MOST_BYTES = 2**31 - 1  # largest file that Protocol Buffers allow

Values = Sequence[Any]  # arrays or tracers


def check_installed() -> None:
    """Raises a UserError if the converter is not installed, or a version that cannot convert these networks."""
    advice = f"pip install 'dsat_jax[onnx]' in an environment without the extra 'train', or {INSTALL}"
    try:
        found = importlib.metadata.version("jax2onnx")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"ONNX needs the converter jax2onnx, which is not installed: {advice}") from None
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < OLDEST:
        raise UserError(f"found jax2onnx {found}, expected {'.'.join(map(str, OLDEST))} or newer: {advice}")


def convert(
    forward: Forward,
    variables: Mapping[str, Any],
    settings: Settings,
    metadata: Mapping[str, str],
) -> bytes:
    """Returns a forward pass as a serialised ONNX model.

    The input is `images`, uint8 [batch, size, size, 3] for any batch size. The outputs are `points`, `confidence` and
    `gates` as in `Landmarks`, without those that the network does not have.

    Args:
      forward: forward pass, made by `make_forward`.
      variables: variables of the model, on the host.
      settings: size of the crop and scheme.
      metadata: metadata of the network by name; those of input and outputs are added.

    Raises:
      UserError: if jax2onnx is not installed, or the model is too large for one file.
    """
    check_installed()
    import jax2onnx

    # At a lower level this logger prints a line for each shape without a type.
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    (batch,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, settings.size, settings.size, 3), jnp.uint8)
    weights, network = by_name(variables), as_network(forward, variables)
    traced, results = jax.make_jaxpr(lambda images: network(weights, images), return_shape=True)(images)
    model = jax2onnx.to_onnx(
        lambda images: tuple(_evaluate(traced.jaxpr, traced.consts, [images])),
        [images],
        model_name="dsat_jax",
        opset=OPSET,
        input_names=["images"],
        output_names=sorted(results),  # JAX's order of dictionary leaves
    )
    model.doc_string = onnx_metadata.DESCRIPTION
    for name, value in {**metadata, **onnx_metadata.of_signature(settings, sorted(results))}.items():
        model.metadata_props.add(key=name, value=value)
    if model.ByteSize() > MOST_BYTES:
        raise UserError(
            f"the model has {model.ByteSize()} bytes, expected at most {MOST_BYTES} in an ONNX file"
        )
    return model.SerializeToString()


def _evaluate(jaxpr: jax.extend.core.Jaxpr, constants: Values, arguments: Values) -> list[Any]:
    """Evaluates a traced function, with the operations of `_REWRITTEN` replaced."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    for equation in jaxpr.eqns:
        inputs = [
            variable.val if isinstance(variable, jax.extend.core.Literal) else values[variable]
            for variable in equation.invars
        ]
        rewritten = _REWRITTEN.get(equation.primitive.name)
        outputs = None if rewritten is None else rewritten(inputs, equation.params)
        if outputs is None:
            outputs = equation.primitive.bind(*inputs, **equation.params)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [values[variable] for variable in jaxpr.outvars]


def _called(jaxpr: jax.extend.core.ClosedJaxpr, inputs: Values) -> list[Any]:
    return _evaluate(jaxpr.jaxpr, jaxpr.consts, inputs)


def _platform_index(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Returns the index of the branch for unspecified platforms."""
    del inputs
    return [parameters["platforms"].index(None)]


def _cond(inputs: Values, parameters: Mapping[str, Any]) -> list[Any] | None:
    """Evaluates the branch of a platform; None for a condition that depends on the input."""
    index, *others = inputs
    return _called(parameters["branches"][index], others) if isinstance(index, int) else None


def _scan(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Unrolls a loop, such as that over the hourglasses: jax2onnx needs static shapes in the body of a loop."""
    body, (constants, carry, sequences) = parameters["jaxpr"], _arguments_of_scan(inputs, parameters)
    if parameters["reverse"] or len(body.out_avals) > len(carry):
        raise ValueError("found a scan in reverse or with stacked outputs, expected one with a carry only")
    for i in range(parameters["length"]):
        elements = [lax.index_in_dim(sequence, i, keepdims=False) for sequence in sequences]
        carry = _called(body, [*constants, *carry, *elements])
    return list(carry)


def _arguments_of_scan(inputs: Values, parameters: Mapping[str, Any]) -> tuple[Values, Values, Values]:
    """Returns the constants, the first carry, and the arrays that a scan runs over."""
    if "ft_in" in parameters:  # since jax 0.11: a tree of the three groups, without their values
        constants, carried, _ = map(len, parameters["ft_in"].unpack())
    else:
        constants, carried = parameters["num_consts"], parameters["num_carry"]
    return inputs[:constants], inputs[constants : constants + carried], inputs[constants + carried :]


def _pad(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Pads by concatenation with constant arrays: jax2onnx can pad static shapes only."""
    array, value = inputs
    for axis, (low, high, between) in enumerate(parameters["padding_config"]):
        if low < 0 or high < 0 or between:
            raise ValueError(
                f"found a padding of {(low, high, between)}, expected one without negative or interior padding"
            )
        shape = array.shape
        margins = [lax.full((*shape[:axis], width, *shape[axis + 1 :]), value) for width in (low, high)]
        array = lax.concatenate([margins[0], array, margins[1]], axis) if low or high else array
    return [array]


def _dot_general(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Computes a matrix product with the batch axes first, because jax2onnx emits a slower Einsum for other orders."""
    left, right = inputs
    (left_sums, right_sums), (left_batch, right_batch) = parameters["dimension_numbers"]
    left_rest = [axis for axis in range(left.ndim) if axis not in (*left_sums, *left_batch)]
    right_rest = [axis for axis in range(right.ndim) if axis not in (*right_sums, *right_batch)]

    def lengths(array: Any, axes: Sequence[int]) -> list[int]:
        return [array.shape[axis] for axis in axes]

    batch, rows, columns = lengths(left, left_batch), lengths(left, left_rest), lengths(right, right_rest)
    summed = math.prod(lengths(left, left_sums))
    left = lax.transpose(left, (*left_batch, *left_rest, *left_sums))
    right = lax.transpose(right, (*right_batch, *right_sums, *right_rest))
    count = len(batch)
    product = lax.dot_general(
        lax.reshape(left, (*batch, math.prod(rows), summed)),
        lax.reshape(right, (*batch, summed, math.prod(columns))),
        (((count + 1,), (count,)), (tuple(range(count)),) * 2),
        parameters["precision"],
        parameters["preferred_element_type"],
    )
    return [lax.reshape(product, (*batch, *rows, *columns))]


def _rem(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Computes a remainder from the quotient: jax2onnx converts `rem` for static shapes only."""
    del parameters
    number, divisor = inputs
    if not jnp.issubdtype(number.dtype, jnp.integer):
        raise ValueError(f"found a remainder of {number.dtype}, expected one of integers")
    return [number - lax.div(number, divisor) * divisor]


def _split(inputs: Values, parameters: Mapping[str, Any]) -> list[Any]:
    """Splits by a reshape and indexing: jax2onnx converts `split` for static shapes only."""
    (array,), axis, sizes = inputs, parameters["axis"], parameters["sizes"]
    if len(set(sizes)) > 1:
        raise ValueError(f"found a split into parts of {sizes}, expected equal parts")
    shape = (*array.shape[:axis], len(sizes), sizes[0], *array.shape[axis + 1 :])
    parts = lax.reshape(array, shape)
    return [lax.index_in_dim(parts, i, axis, keepdims=False) for i in range(len(sizes))]


_REWRITTEN: dict[str, Callable[[Values, Mapping[str, Any]], list[Any] | None]] = {
    "jit": lambda inputs, parameters: _called(parameters["jaxpr"], inputs),
    "custom_jvp_call": lambda inputs, parameters: _called(parameters["call_jaxpr"], inputs),
    "custom_vjp_call": lambda inputs, parameters: _called(parameters["call_jaxpr"], inputs),
    "platform_index": _platform_index,
    "cond": _cond,
    "dot_general": _dot_general,
    "pad": _pad,
    "rem": _rem,
    "scan": _scan,
    "split": _split,
}
