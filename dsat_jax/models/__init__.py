"""Models by name: the one place that turns a config into a module."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict, config_dict

from dsat_jax import schemes
from dsat_jax.choices import choose
from dsat_jax.models.dsat import DSAT
from dsat_jax.models.lotr import LOTR

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def default_dsat() -> ConfigDict:
    """Our DSAT: every attribute of the module, its dtype by name, `name`, and whether it predicts boundaries.

    The original's gate is 'released'.
    """
    return ConfigDict(
        {
            "name": "dsat",
            "boundaries": True,
            "width": 256,
            "stacks": 4,
            "transformer_layers": 3,
            "heads": 4,
            "gate": "learned",
            "embedding_dropout": 0.1,
            "attention_dropout": 0.1,
            "upsample": True,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


def default_lotr() -> ConfigDict:
    """LOTR-M: every attribute of the module, its dtype by name, `name`, and the file of its pretrained backbone."""
    return ConfigDict(
        {
            "name": "lotr",
            "backbone": "mobilenet_v2",
            "backbone_weights": config_dict.placeholder(str),  # .pth, .npz or .safetensors; none if not given
            "freeze_norm": False,
            "upsamplings": 0,
            "dim": 256,
            "heads": 8,
            "feed_forward": 1024,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "head_width": 512,
            "position": "learned",
            "dropout": 0.1,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


def build_dsat(config: ConfigDict, num_points: int, num_boundaries: int) -> DSAT:
    """A DSAT from a config like `default_dsat()`; for the arguments see `build`."""
    attributes = _attributes(config)
    if not attributes.pop("boundaries"):
        num_boundaries = 0
    return DSAT(num_points=num_points, num_boundaries=num_boundaries, **attributes)


def build_lotr(config: ConfigDict, num_points: int, num_boundaries: int) -> LOTR:
    """A LOTR from a config like `default_lotr()`; for the arguments see `build`. It predicts no boundaries."""
    del num_boundaries
    attributes = _attributes(config)
    del attributes["backbone_weights"]  # training reads it, once
    return LOTR(num_points=num_points, **attributes)


class Model(NamedTuple):
    """A model's default config, and the function from a config to its module (see `build`)."""

    default: Callable[[], ConfigDict]
    build: Callable[[ConfigDict, int, int], nn.Module]


MODELS = {"dsat": Model(default_dsat, build_dsat), "lotr": Model(default_lotr, build_lotr)}


def default(name: str) -> ConfigDict:
    """The default config of a model, a key of `MODELS`."""
    return MODELS[name].default()


def build(config: ConfigDict, num_points: int, num_boundaries: int) -> nn.Module:
    """The model that a config describes.

    Args:
      config: `config.model`: `name`, a key of `MODELS`, and the attributes of that model's module.
      num_points: landmarks of the scheme.
      num_boundaries: boundaries of the scheme, which the model may predict.

    Returns:
      A module, called as `module.apply(variables, images, train=...)`, that returns a Prediction.

    Raises:
      ValueError: if the name or the dtype is unknown.
    """
    return choose(MODELS, config.name, "model").build(config, num_points, num_boundaries)


def _attributes(config: ConfigDict) -> dict:
    """The attributes of a module: a config without its name, the dtype as JAX's own."""
    attributes = config.to_dict()
    del attributes["name"]
    return attributes | {"dtype": choose(DTYPES, config.dtype, "dtype")}


def build_for(config: ConfigDict) -> nn.Module:
    """The model of a run, from the run's whole configuration: `config.model` on `config.data.scheme`."""
    scheme = schemes.find(config.data.scheme)
    return build(config.model, scheme.num_points, len(scheme.boundaries))
