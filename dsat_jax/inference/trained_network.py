"""Trained networks with their configuration, loaded from a run folder or a weights file."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import models, schemes
from dsat_jax.config import load_config
from dsat_jax.errors import UserError
from dsat_jax.runtime import sharding
from dsat_jax.schemes import Scheme
from dsat_jax.weights import landmark_arrays, network_file
from dsat_jax.weights.names import by_name


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A trained network.

    Attributes:
      config: configuration of the run; a weights file contains only the sections `network_file.SECTIONS`, and all
        others have default values.
      model: Flax module.
      variables: averaged parameters and statistics, on the mesh.
      mesh: mesh of all devices.
    """

    config: ConfigDict
    model: nn.Module
    variables: Mapping[str, Any]
    mesh: Mesh


def load(path: pathlib.Path, scheme: str | None = None) -> TrainedNetwork:
    """Loads a trained network for one landmark scheme.

    Args:
      path: run folder, whose best checkpoint is loaded, or weights file.
      scheme: name of a scheme that the network predicts, see `schemes.choose_part`; a network that was trained on
        several schemes is reduced to this one.

    Raises:
      FileNotFoundError: if the path does not exist, or the folder contains no run or no checkpoint.
      UserError: if all checkpoints or the weights file are damaged, if the configuration has another version, or if the
        network does not predict the scheme.
    """
    network = load_whole(path)
    whole = schemes.find(network.config.data.scheme)
    chosen = schemes.choose_part(whole, scheme)
    return network if chosen == whole else _reduced(network, whole, chosen)


def load_whole(path: pathlib.Path) -> TrainedNetwork:
    """Loads a trained network with all its landmark schemes; argument and errors as in `load`."""
    return _from_file(path) if path.is_file() else _from_run(path)


def _reduced(network: TrainedNetwork, whole: Scheme, chosen: Scheme) -> TrainedNetwork:
    """Returns the network of one scheme, with the weights and the predictions of the network of a joint scheme."""
    config = network.config.copy_and_resolve_references()
    config.data.scheme = schemes.as_text(chosen)
    abstract, indices = _abstract(config), landmark_arrays.rows(whole, chosen)

    def reduce(variables: Mapping[str, Any]) -> Mapping[str, Any]:
        leaves = [
            landmark_arrays.chosen(leaf, landmark_arrays.AXES[name], indices)
            if name in landmark_arrays.AXES
            else leaf
            for name, leaf in by_name(variables).items()
        ]
        return jax.tree.unflatten(jax.tree.structure(variables), leaves)

    reduced = jax.jit(reduce, out_shardings=sharding.shardings_of(abstract.variables))(network.variables)
    return dataclasses.replace(abstract, variables=reduced)


def read_config(path: pathlib.Path) -> ConfigDict:
    """Returns the configuration of a trained network, without its weights; argument and errors as in `load`."""
    return network_file.read(path)[0] if path.is_file() else load_config(path)


def _from_run(workdir: pathlib.Path) -> TrainedNetwork:
    from dsat_jax.checkpoints import manager  # importing Orbax takes a second; weights files do not need it

    abstract = _abstract(load_config(workdir))
    return dataclasses.replace(abstract, variables=manager.restore_best(workdir, abstract.variables))


def _from_file(path: pathlib.Path) -> TrainedNetwork:
    config, arrays = network_file.read(path)
    abstract = _abstract(config)
    return dataclasses.replace(abstract, variables=_arranged(arrays, abstract.variables, path))


def _abstract(config: ConfigDict) -> TrainedNetwork:
    """Returns the network of a configuration, with shapes, types and shardings in place of its variables."""
    model = models.build_for(config)
    mesh = sharding.make_mesh(
        math.gcd(config.mesh.model, jax.device_count())
    )  # fewer devices than in training are allowed
    variables = jax.eval_shape(lambda: models.initial_variables(model, config.input.size, jax.random.key(0)))
    return TrainedNetwork(config, model, sharding.abstract_on(variables, mesh), mesh)


def _arranged(arrays: Mapping[str, Any], template: dict[str, Any], path: pathlib.Path) -> dict[str, Any]:
    """Returns arrays by name as the variables of a model, on its devices."""
    expected = by_name(template)
    differing = sorted(
        name
        for name in {*arrays, *expected}
        if name not in arrays or name not in expected or arrays[name].shape != expected[name].shape
    )
    if differing:
        raise UserError(
            f"{path}: the arrays do not fit the network that the metadata describe, expected the names and shapes "
            f"of its variables; {len(differing)} differ, the first is {differing[0]}"
        )
    values = jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in expected])
    return jax.device_put(values, sharding.shardings_of(template))
