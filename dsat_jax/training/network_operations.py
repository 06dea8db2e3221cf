"""Operations of a network's matrix products and convolutions, by its definition; independent of the compiler."""

import functools
from typing import Any

from flax import linen as nn

from dsat_jax.runtime.flops import product_operations


def forward_operations(model: nn.Module, variables: Any, images: Any) -> int:
    """Returns the operations of the matrix products and convolutions of a forward pass, two for each multiply-add."""
    return product_operations(functools.partial(model.apply, train=False), variables, images)


def step_operations(model: nn.Module, variables: Any, images: Any) -> int:
    """Returns the operations of a training step: three forward passes, by the usual convention.

    Recomputed activations do not count.
    """
    return 3 * forward_operations(model, variables, images)
