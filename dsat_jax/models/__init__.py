"""Networks as linen modules, and the one place that turns a configuration into a module.

In: normalised images, float32 [batch, size, size, 3]. Out: a `Prediction` with points in input pixels, heatmaps, gates.
To add a model, write its module, its defaults in `config/defaults.py` and its builder here.
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
    """A DSAT from a config with the fields of `config.default_dsat`; for the arguments see `build`."""
    attributes = _attributes(config)
    if not attributes.pop("boundaries"):
        num_boundaries = 0
    return DSAT(num_points=num_points, num_boundaries=num_boundaries, **attributes)


def build_lotr(config: ConfigDict, num_points: int, num_boundaries: int) -> LOTR:
    """A LOTR, which predicts no boundaries, from a config with the fields of `config.default_lotr`; see `build`."""
    del num_boundaries
    attributes = _attributes(config)
    del attributes["backbone_weights"]  # training reads it, once
    return LOTR(num_points=num_points, **attributes)


# From `config.model` and the numbers of landmarks and boundaries to a module, by `config.model.name`.
BUILDERS: dict[str, Callable[[ConfigDict, int, int], nn.Module]] = {"dsat": build_dsat, "lotr": build_lotr}


def build(config: ConfigDict, num_points: int, num_boundaries: int) -> nn.Module:
    """The model that a config describes.

    Args:
      config: `config.model`: `name`, a key of `BUILDERS`, and the attributes of that model's module.
      num_points: landmarks of the scheme.
      num_boundaries: boundaries of the scheme, which the model may predict.

    Returns:
      A module, called as `module.apply(variables, images, train=...)`, that returns a Prediction.

    Raises:
      ValueError: if the name or the dtype is unknown.
    """
    return choose(BUILDERS, config.name, "model")(config, num_points, num_boundaries)


def _attributes(config: ConfigDict) -> dict:
    """The attributes of a module: a config without its name, the dtype as JAX's own."""
    attributes = config.to_dict()
    del attributes["name"]
    return attributes | {"dtype": choose(DTYPES, config.dtype, "dtype")}


def build_for(config: ConfigDict) -> nn.Module:
    """The model of a run, from the run's whole configuration: `config.model` on `config.data.scheme`."""
    scheme = schemes.find(config.data.scheme)
    return build(config.model, scheme.num_points, len(scheme.boundaries))


def initial_variables(model: nn.Module, input_size: int, key: jax.Array) -> dict[str, Any]:
    """Random variables of a model.

    Args:
      model: module from `build`.
      input_size: side of the network's input in pixels.
      key: random key of the initialisation.

    Returns:
      'params' and 'batch_stats' (empty for a model without BatchNorm), float32.
    """
    images = jnp.zeros((1, input_size, input_size, 3))
    variables = model.init({"params": key}, images, train=False)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
