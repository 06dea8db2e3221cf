"""Models by name: the one place that turns a config into a module."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from dsat_jax.models.dsat import DSAT
from dsat_jax.schemes import SCHEMES

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def default_dsat() -> ConfigDict:
    """The config of the released DSAT: every attribute of the module, its dtype by name, and `name`."""
    return ConfigDict(
        {
            "name": "dsat",
            "width": 256,
            "stacks": 4,
            "transformer_layers": 3,
            "heads": 4,
            "gate": "released",
            "embedding_dropout": 0.1,
            "attention_dropout": 0.1,
            "upsample": True,
            "dtype": "float32",
        }
    )


def build_dsat(config: ConfigDict, num_points: int, num_boundaries: int) -> DSAT:
    """A DSAT from a config like `default_dsat()`; for the arguments see `build`."""
    return DSAT(num_points=num_points, num_boundaries=num_boundaries, **_attributes(config))


MODELS: dict[str, Callable[[ConfigDict, int, int], nn.Module]] = {"dsat": build_dsat}


def build(config: ConfigDict, num_points: int, num_boundaries: int) -> nn.Module:
    """The model that a config describes.

    Args:
      config: `config.model`: `name`, a key of `MODELS`, and the attributes of that model's module.
      num_points: landmarks of the scheme.
      num_boundaries: boundaries of the scheme that the model predicts.

    Returns:
      A module, called as `module.apply(variables, images, train=...)`, that returns a Prediction.

    Raises:
      ValueError: if the name or the dtype is unknown.
    """
    if config.name not in MODELS:
        raise ValueError(f"unknown model {config.name!r}; there are {', '.join(MODELS)}")
    return MODELS[config.name](config, num_points, num_boundaries)


def _attributes(config: ConfigDict) -> dict:
    """The attributes of a module: a config without its name, the dtype as JAX's own."""
    attributes = config.to_dict()
    del attributes["name"]
    if config.dtype not in DTYPES:
        raise ValueError(f"unknown dtype {config.dtype!r}; there are {', '.join(DTYPES)}")
    return attributes | {"dtype": DTYPES[config.dtype]}


def build_for(config: ConfigDict) -> nn.Module:
    """The model of a run, from the run's whole configuration: `config.model` on `config.data.scheme`."""
    scheme = SCHEMES[config.data.scheme]
    return build(config.model, scheme.num_points, len(scheme.boundaries))
