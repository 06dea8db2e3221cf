"""The initial state of a run: random, with a pretrained backbone, or from a trained network."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax
from absl import logging
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.errors import UserError
from dsat_jax.inference import trained_network
from dsat_jax.runtime import sharding
from dsat_jax.training import state
from dsat_jax.weights import landmark_arrays, torch_import, zoo
from dsat_jax.weights.names import by_name

_LEAST_SHARE = 0.5  # of the model's parameters that a trained network must provide


def begin(
    config: ConfigDict, model: nn.Module, transform: optax.GradientTransformation, mesh: Mesh
) -> state.TrainState:
    """Returns the state at step 0.

    Args:
      config: run's configuration. `train.start_from` names a trained network, whose arrays are used where name and
        shape agree with the model's. If the landmarks differ, those that the trained network does not have start from
        scratch.
      model: module from `models.build_for`.
      transform: optimiser from `make_optimizer`.
      mesh: mesh from `sharding.make_mesh`.

    Raises:
      OSError: if a file or folder that the configuration names is missing.
      UserError: if such a file is damaged or belongs to another network, or if the configuration names both a network
        and a backbone.
    """
    backbone, network = config.model.get("backbone_weights"), config.train.start_from
    if backbone is not None and network is not None:
        raise UserError(
            "config.model.backbone_weights and config.train.start_from exclude each other: both give the backbone"
        )
    created = state.create_on(mesh, model, transform, config.input.size, config.seed)
    if backbone is not None:
        old = {"params": created.params["backbone"], "batch_stats": created.batch_stats["backbone"]}
        load = _trunk_of if config.model.backbone.startswith("hourglass") else torch_import.load_backbone
        loaded = load(backbone, config.model.backbone, old)
        created = state.with_variables(created, {name: {"backbone": tree} for name, tree in loaded.items()})
    if network is not None:
        trained = trained_network.load_whole(zoo.find(network))
        rows = landmark_arrays.rows(*(schemes.find(each.data.scheme) for each in (trained.config, config)))
        absent = rows[: schemes.find(config.data.scheme).num_points] < 0
        if absent.any():
            logging.warning(
                "%s does not have %d of %d landmarks, which start from scratch",
                network,
                absent.sum(),
                len(absent),
            )
        arrays = by_name(trained.variables)
        if not np.array_equal(rows, np.arange(len(rows))):
            arrays |= _moved(arrays, by_name(created.ema), rows, trained.mesh, mesh)
        created = state.with_variables(created, _fitting(arrays, created.ema, network))
    return created


def _trunk_of(network: str, backbone: str, initial: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the variables of an hourglass backbone whose trunk is that of a trained DSAT.

    Args:
      network: name, weights file or run folder of the DSAT.
      backbone: name of the backbone, for messages.
      initial: {'params', 'batch_stats'} of the backbone.

    Raises:
      UserError: if the network has no such trunk; the message names the arrays that do not fit.
    """
    trained = by_name(trained_network.load_whole(zoo.find(network)).variables)
    leaves = by_name(initial)
    source = {name: name.replace("/trunk/", "/") for name in leaves if "/trunk/" in name}
    wrong = [
        theirs
        for name, theirs in source.items()
        if getattr(trained.get(theirs), "shape", None) != leaves[name].shape
    ]
    if wrong:
        raise UserError(
            f"{network} has no trunk for config.model.backbone={backbone}: {len(wrong)} of {len(source)} arrays are "
            f"missing or have another shape, the first is {wrong[0]}"
        )
    found = [trained[source[name]] if name in source else leaf for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(initial), found)


def _moved(
    trained: Mapping[str, Any], initial: Mapping[str, Any], rows: np.ndarray, trained_on: Mesh, mesh: Mesh
) -> dict[str, np.ndarray]:
    """Returns the arrays of landmarks of a trained network for the landmarks of the model, whole and on the host."""
    moved = {}
    for name, axis in landmark_arrays.AXES.items():
        if name in trained and name in initial:
            old, new = _whole(trained[name], trained_on), _whole(initial[name], mesh)
            if np.delete(old.shape, axis).tolist() == np.delete(new.shape, axis).tolist():
                moved[name] = landmark_arrays.moved(old, new, axis, rows)
    return moved


def _whole(array: jax.Array, mesh: Mesh) -> np.ndarray:
    """Returns an array that may be split over the devices of a mesh, on the host of each process."""
    return np.asarray(jax.jit(lambda leaf: leaf, out_shardings=sharding.replicated(mesh))(array))


def _fitting(trained: Mapping[str, Any], initial: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Returns a model's variables, with a trained network's arrays where the shapes agree; logs what it does not give.

    Args:
      trained: arrays of the trained network, by name.
      initial: initial variables of the model.
      network: name of the trained network, for messages.
    """
    leaves = by_name(initial)
    missing = [
        name for name, leaf in leaves.items() if getattr(trained.get(name), "shape", None) != leaf.shape
    ]
    fitting = sum(leaf.size for name, leaf in leaves.items() if name not in missing)
    share = fitting / sum(leaf.size for leaf in leaves.values())
    if share < _LEAST_SHARE:
        raise UserError(
            f"config.train.start_from={network}: only {share:.0%} of the parameters of config.model have the shapes of "
            f"that network, expected {_LEAST_SHARE:.0%} or more; the first that does not is {missing[0]}"
        )
    new = f"; from scratch: {', '.join(missing)}" if missing else ""
    logging.warning("%s gives %.1f%% of the parameters and statistics%s", network, 100 * share, new)
    # The model's own arrays stay on their devices: no process has to hold the whole of a split array.
    chosen = [leaf if name in missing else trained[name] for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(initial), chosen)


def described(config: ConfigDict) -> str:
    """Returns the origin of a new run's weights, for the log."""
    if config.train.start_from is not None:
        return f"the network {config.train.start_from}"
    if config.model.get("backbone_weights") is None:
        return "scratch"
    return f"the {config.model.backbone} of {config.model.backbone_weights}, the rest from scratch"
