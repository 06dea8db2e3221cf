"""The state with which a run begins: from scratch, with a pretrained backbone, or from a trained network."""

from collections.abc import Mapping
from typing import Any

import jax
import optax
from absl import logging
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax.errors import UserError
from dsat_jax.inference import trained_network
from dsat_jax.training import state
from dsat_jax.weights import torch_import, zoo
from dsat_jax.weights.names import by_name

_LEAST_SHARE = 0.5  # of the parameters that a trained network must give


def begin(
    config: ConfigDict, model: nn.Module, transform: optax.GradientTransformation, mesh: Mesh
) -> state.TrainState:
    """The state at step 0.

    Args:
      config: the run's configuration. `train.start_from` names a trained network, all of whose arrays are taken that
        have the name and the shape of one of the model's: for other landmarks all but those of the last layer.
      model: as made by `models.build_for`.
      transform: the optimiser.
      mesh: from `meshes.make_mesh`.

    Raises:
      OSError: if a file or folder that the configuration names is missing.
      ValueError: if one is damaged or of another network, or both are given.
    """
    backbone, network = config.model.get("backbone_weights"), config.train.start_from
    if backbone is not None and network is not None:
        raise UserError(
            "config.model.backbone_weights and config.train.start_from exclude each other: both give the backbone"
        )
    created = state.create_on(mesh, model, transform, config.input.size, config.seed)
    if backbone is not None:
        old = {"params": created.params["backbone"], "batch_stats": created.batch_stats["backbone"]}
        loaded = torch_import.load_backbone(backbone, config.model.backbone, old)
        created = state.with_variables(created, {name: {"backbone": tree} for name, tree in loaded.items()})
    if network is not None:
        given = by_name(trained_network.load(zoo.find(network)).variables)
        created = state.with_variables(created, _fitting(given, created.ema, network))
    return created


def _fitting(given: Mapping[str, Any], wanted: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Those variables of a model that a trained network has in the same shape; the rest is named in the log."""
    leaves = by_name(wanted)
    missing = [name for name, leaf in leaves.items() if getattr(given.get(name), "shape", None) != leaf.shape]
    fitting = sum(leaf.size for name, leaf in leaves.items() if name not in missing)
    share = fitting / sum(leaf.size for leaf in leaves.values())
    if share < _LEAST_SHARE:
        raise UserError(
            f"config.train.start_from={network}: only {share:.0%} of the arrays of config.model have the shapes of "
            f"that network; the first that has not is {missing[0]}"
        )
    if missing:
        logging.warning("%s does not fit, and starts from scratch: %s", network, ", ".join(missing))
    # As they lie on the devices: no process need hold all of an array that is split.
    chosen = [leaf if name in missing else given[name] for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(wanted), chosen)


def described(config: ConfigDict) -> str:
    """Where the weights of a new run come from, in words."""
    if config.train.start_from is not None:
        return f"the network {config.train.start_from}"
    if config.model.get("backbone_weights") is None:
        return "scratch"
    return f"the {config.model.backbone} of {config.model.backbone_weights}, the rest from scratch"
