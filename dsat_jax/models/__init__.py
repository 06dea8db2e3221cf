"""Landmark networks as Flax linen modules, and their construction from a configuration.

A network takes normalised images, float32 [batch, size, size, 3], and returns a `Prediction`. A new model needs a
module, its defaults in `config/defaults.py` and a builder in `BUILDERS`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.models.dsat import DSAT
from dsat_jax.models.lotr import LOTR

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def build_dsat(config: ConfigDict, num_points: int, num_boundaries: int, groups: tuple[int, ...]) -> DSAT:
    """Returns a DSAT from the fields of `config.default_dsat`; the arguments are those of `build`."""
    del groups  # heatmaps of different landmarks are independent
    attributes = _attributes(config)
    if not attributes.pop("boundaries"):
        num_boundaries = 0
    return DSAT(num_points=num_points, num_boundaries=num_boundaries, **attributes)


def build_lotr(config: ConfigDict, num_points: int, num_boundaries: int, groups: tuple[int, ...]) -> LOTR:
    """Returns a LOTR from the fields of `config.default_lotr`; the arguments are those of `build`."""
    del num_boundaries  # LOTR predicts no boundaries
    attributes = _attributes(config)
    del attributes["backbone_weights"]  # not an attribute of the module, only used at the start of training
    if groups and sum(groups) != num_points:
        raise UserError(
            "config.data.tied is true, expected false for LOTR, whose schemes have their own queries"
        )
    return LOTR(num_points=num_points, groups=groups, **attributes)


# Builders by `config.model.name`, with the arguments of `build`.
BUILDERS: dict[str, Callable[[ConfigDict, int, int, tuple[int, ...]], nn.Module]] = {
    "dsat": build_dsat,
    "lotr": build_lotr,
}


def build(
    config: ConfigDict, num_points: int, num_boundaries: int, groups: tuple[int, ...] = ()
) -> nn.Module:
    """Returns the model of `config.model`.

    Args:
      config: section `config.model` with `name`, a key of `BUILDERS`, and the attributes of that model.
      num_points: number of landmarks of the scheme.
      num_boundaries: number of boundaries of the scheme.
      groups: number of landmarks of each part of a joint scheme; empty for another scheme.

    Returns:
      Flax module; `module.apply(variables, images, train=...)` returns a `Prediction`.

    Raises:
      UserError: if the name or the dtype is unknown.
    """
    return choose(BUILDERS, config.name, "model")(config, num_points, num_boundaries, groups)


def _attributes(config: ConfigDict) -> dict:
    """Returns the attributes of a module: all fields except `name`, with `dtype` as a JAX dtype."""
    attributes = config.to_dict()
    del attributes["name"]
    return attributes | {"dtype": choose(DTYPES, config.dtype, "dtype")}


def build_for(config: ConfigDict) -> nn.Module:
    """Returns the model of a whole configuration: `config.model` with the landmarks of `config.data.scheme`."""
    scheme = schemes.find(config.data.scheme)
    groups = tuple(part.scheme.num_points for part in scheme.parts)
    return build(config.model, scheme.num_points, len(scheme.boundaries), groups)


def initial_variables(model: nn.Module, input_size: int, key: jax.Array) -> dict[str, Any]:
    """Returns the random initial variables of a model.

    Args:
      model: Flax module returned by `build`.
      input_size: side of the square input in pixels.
      key: random key of the initialisation.

    Returns:
      Float32 collections 'params' and 'batch_stats'; the latter is empty for a model without BatchNorm.
    """
    images = jnp.zeros((1, input_size, input_size, 3))
    variables = model.init({"params": key}, images, train=False)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
