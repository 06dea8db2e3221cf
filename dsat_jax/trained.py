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

from dsat_jax import checkpoints, config as run_config, mesh as meshes, models, network_file, state
from dsat_jax.network import by_name
from dsat_jax.optimizer import make_optimizer


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
    return network_file.read(path)[0] if path.is_file() else run_config.load(path)


def _from_run(workdir: pathlib.Path) -> TrainedNetwork:
    config = run_config.load(workdir)
    abstract = _abstract(config)
    return dataclasses.replace(abstract, variables=checkpoints.restore_best(workdir, abstract.variables))


def _from_file(path: pathlib.Path) -> TrainedNetwork:
    config, arrays = network_file.read(path)
    abstract = _abstract(config)
    return dataclasses.replace(abstract, variables=_arranged(arrays, abstract.variables, path))


def _abstract(config: ConfigDict) -> TrainedNetwork:
    """The network of a configuration; its variables are their shapes, types and shardings."""
    model = models.build_for(config)
    mesh = meshes.make_mesh(math.gcd(config.mesh.model, jax.device_count()))  # also on fewer devices
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    template = state.template(mesh, model, optimizer, config.input.size)
    return TrainedNetwork(config, model, template.ema, mesh)


def _arranged(arrays: Mapping[str, Any], template: dict[str, Any], path: pathlib.Path) -> dict[str, Any]:
    """Arrays by name as the variables of a model, on its devices."""
    expected = by_name(template)
    differing = sorted(
        name
        for name in {*arrays, *expected}
        if name not in arrays or name not in expected or arrays[name].shape != expected[name].shape
    )
    if differing:
        raise ValueError(
            f"{path}: the arrays are not those of the network that it describes; first {differing[0]}, "
            f"{len(differing)} in all"
        )
    values = jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in expected])
    return jax.device_put(values, state.shardings(template))
