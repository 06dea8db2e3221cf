"""A forward pass as a function from arrays by name to arrays by name, the form in which networks are exported."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from dsat_jax.inference.forward import Forward
from dsat_jax.weights.names import by_name

Network = Callable[[Mapping[str, jax.Array], jax.Array], dict[str, jax.Array]]


def as_network(forward: Forward, variables: Mapping[str, Any]) -> Network:
    """A forward pass that takes its variables by name, and returns what there is of a `Landmarks` by name.

    Args:
      forward: from `make_forward`.
      variables: of the model, or their shapes.
    """
    structure, names = jax.tree.structure(variables), list(by_name(variables))

    def network(weights: Mapping[str, jax.Array], images: jax.Array) -> dict[str, jax.Array]:
        found = forward(jax.tree.unflatten(structure, [weights[name] for name in names]), images)
        return {name: value for name, value in found._asdict().items() if value is not None}

    return network
