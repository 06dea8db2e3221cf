"""Names of a model's arrays, as weights files and exports store them."""

from typing import Any

import jax
import numpy as np


def by_name(variables: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a model or a state by name: `{"params/backbone/conv/kernel": ..., ...}`."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
