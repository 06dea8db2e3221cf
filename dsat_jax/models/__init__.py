"""Networks as Flax linen modules, and their construction from a configuration.

Input: normalised images, float32 [batch, size, size, 3]. Output: a `Prediction` with points in input pixels, heatmaps
and gates. A new model needs its module, its defaults in `config/defaults.py` and a builder in `BUILDERS`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.config import choose
from dsat_jax.models.dsat import DSAT
from dsat_jax.models.lotr import LOTR

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def build_dsat(config: ConfigDict, num_points: int, num_boundaries: int) -> DSAT:
    """Returns a DSAT from the fields of `config.default_dsat`. Arguments: see `build`."""
    attributes = _attributes(config)
    if not attributes.pop("boundaries"):
        num_boundaries = 0
    return DSAT(num_points=num_points, num_boundaries=num_boundaries, **attributes)


def build_lotr(config: ConfigDict, num_points: int, num_boundaries: int) -> LOTR:
    """Returns a LOTR, which predicts no boundaries, from the fields of `config.default_lotr`. Arguments: see `build`."""
    del num_boundaries
    attributes = _attributes(config)
    del attributes["backbone_weights"]  # read by the initialisation of a training
    return LOTR(num_points=num_points, **attributes)


# Functions of `config.model` and the numbers of landmarks and boundaries that return a module, by `config.model.name`.
BUILDERS: dict[str, Callable[[ConfigDict, int, int], nn.Module]] = {"dsat": build_dsat, "lotr": build_lotr}


def build(config: ConfigDict, num_points: int, num_boundaries: int) -> nn.Module:
    """Returns the model of `config.model`.

    Args:
      config: section `config.model`: `name`, a key of `BUILDERS`, and the attributes of that model.
      num_points: number of landmarks of the scheme.
      num_boundaries: number of boundaries of the scheme.

    Returns:
      Module; `module.apply(variables, images, train=...)` returns a Prediction.

    Raises:
      ValueError: if the name or the dtype is unknown.
    """
    return choose(BUILDERS, config.name, "model")(config, num_points, num_boundaries)


def _attributes(config: ConfigDict) -> dict:
    """Returns the attributes of a module: the fields without `name`, and `dtype` as a JAX dtype."""
    attributes = config.to_dict()
    del attributes["name"]
    return attributes | {"dtype": choose(DTYPES, config.dtype, "dtype")}


def build_for(config: ConfigDict) -> nn.Module:
    """Returns the model of a run from the whole configuration: `config.model` for `config.data.scheme`."""
    scheme = schemes.find(config.data.scheme)
    return build(config.model, scheme.num_points, len(scheme.boundaries))


def initial_variables(model: nn.Module, input_size: int, key: jax.Array) -> dict[str, Any]:
    """Returns the random initial variables of a model.

    Args:
      model: result of `build`.
      input_size: side of the network's input in pixels.
      key: random key of the initialisation.

    Returns:
      Float32 variables 'params' and 'batch_stats' (empty for a model without BatchNorm).
    """
    images = jnp.zeros((1, input_size, input_size, 3))
    variables = model.init({"params": key}, images, train=False)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
