"""The signature of exported networks: a function from weights by name and images to results by name."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from dsat_jax.inference.forward import Forward
from dsat_jax.weights.names import by_name

Network = Callable[[Mapping[str, jax.Array], jax.Array], dict[str, jax.Array]]


def as_network(forward: Forward, variables: Mapping[str, Any]) -> Network:
    """Returns a forward pass with weights and results by name.

    The results are the fields of `Landmarks` that are not None.

    Args:
      forward: forward pass, made by `make_forward`.
      variables: variables of the model, or their shapes.
    """
    structure, names = jax.tree.structure(variables), list(by_name(variables))

    def network(weights: Mapping[str, jax.Array], images: jax.Array) -> dict[str, jax.Array]:
        landmarks = forward(jax.tree.unflatten(structure, [weights[name] for name in names]), images)
        return {name: value for name, value in landmarks._asdict().items() if value is not None}

    return network
