"""Operation counts of the matrix products and convolutions in a computation, independent of the compiler.

XLA's own analysis of a program counts the body of a loop once, and DSAT's hourglasses are such a loop.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core


def product_operations(function: Callable[..., Any], *arguments: Any) -> int:
    """Returns the operations of all matrix products and convolutions, two for each multiply-add.

    The most expensive branch of a condition counts. A `while` loop must contain no products, because its number of
    rounds is unknown.

    Args:
      function: function that JAX can trace.
      *arguments: arrays, or their abstract form.

    Raises:
      ValueError: if a `while` loop contains products.
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_jaxpr(jaxpr: core.Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: core.JaxprEqn) -> int:
    name = equation.primitive.name
    if name == "dot_general":
        return _of_product(equation)
    if name == "conv_general_dilated":
        return _of_convolution(equation)
    inner = [_of_jaxpr(jaxpr) for jaxpr in _inner(equation)]
    if name == "scan":
        return equation.params["length"] * sum(inner)
    if name == "pallas_call":  # a kernel runs once for each point of its grid
        return math.prod(equation.params["grid_mapping"].grid) * sum(inner)
    if name == "shard_map":  # on every device
        return equation.params["mesh"].size * sum(inner)
    if name == "cond":
        # The last branch for platforms is the default; that for CPUs may compute more to be faster.
        return inner[-1] if equation.params.get("branches_platforms") else max(inner)
    if name == "while" and sum(inner):
        raise ValueError("products in a while loop cannot be counted: the number of its rounds is unknown")
    return sum(inner)


def _of_product(equation: core.JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * equation.outvars[0].aval.size * math.prod(left[axis] for axis in contracted)


def _of_convolution(equation: core.JaxprEqn) -> int:
    """Counts a convolution: each output element takes one multiply-add per kernel element of its channel."""
    kernel = equation.invars[1].aval
    outputs = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    return 2 * equation.outvars[0].aval.size * kernel.size // outputs


def _inner(equation: core.JaxprEqn) -> Iterator[core.Jaxpr]:
    """Yields the computations inside an equation: bodies of loops, branches, functions."""
    for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
        if _is_jaxpr(value):
            yield getattr(value, "jaxpr", value)


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, core.Jaxpr | core.ClosedJaxpr)
