"""A trained network and what using it needs, from a run's folder or from a file of weights."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import models
from dsat_jax.config import load_config
from dsat_jax.errors import UserError
from dsat_jax.runtime import sharding
from dsat_jax.weights import network_file
from dsat_jax.weights.names import by_name


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A network that was trained.

    Attributes:
      config: of the run that trained it; from a file of weights only `network_file.SECTIONS` are its own.
      model: the module.
      variables: its averaged parameters and statistics, on the mesh.
      mesh: of all devices.
    """

    config: ConfigDict
    model: nn.Module
    variables: Mapping[str, Any]
    mesh: Mesh


def load(path: pathlib.Path) -> TrainedNetwork:
    """A trained network.

    Args:
      path: a run's folder, whose best checkpoint is taken, or a file that `network_file.write` wrote.

    Raises:
      FileNotFoundError: if there is no such file, or the folder holds no run or no checkpoint.
      ValueError: if all checkpoints are damaged, or the file is, or their configuration is of another version.
    """
    return _from_file(path) if path.is_file() else _from_run(path)


def read_config(path: pathlib.Path) -> ConfigDict:
    """The configuration of a trained network, without its weights; for the argument and the errors see `load`."""
    return network_file.read(path)[0] if path.is_file() else load_config(path)


def _from_run(workdir: pathlib.Path) -> TrainedNetwork:
    from dsat_jax.checkpoints import manager  # Orbax takes a second to import; files of weights do without it

    abstract = _abstract(load_config(workdir))
    return dataclasses.replace(abstract, variables=manager.restore_best(workdir, abstract.variables))


def _from_file(path: pathlib.Path) -> TrainedNetwork:
    config, arrays = network_file.read(path)
    abstract = _abstract(config)
    return dataclasses.replace(abstract, variables=_arranged(arrays, abstract.variables, path))


def _abstract(config: ConfigDict) -> TrainedNetwork:
    """The network of a configuration; its variables are their shapes, types and shardings."""
    model = models.build_for(config)
    mesh = sharding.make_mesh(math.gcd(config.mesh.model, jax.device_count()))  # also on fewer devices
    variables = jax.eval_shape(lambda: models.initial_variables(model, config.input.size, jax.random.key(0)))
    return TrainedNetwork(config, model, sharding.abstract_on(variables, mesh), mesh)


def _arranged(arrays: Mapping[str, Any], template: dict[str, Any], path: pathlib.Path) -> dict[str, Any]:
    """Arrays by name as the variables of a model, on its devices."""
    expected = by_name(template)
    differing = sorted(
        name
        for name in {*arrays, *expected}
        if name not in arrays or name not in expected or arrays[name].shape != expected[name].shape
    )
    if differing:
        raise UserError(
            f"{path}: the arrays are not those of the network that it describes; first {differing[0]}, "
            f"{len(differing)} in all"
        )
    values = jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in expected])
    return jax.device_put(values, sharding.shardings_of(template))
