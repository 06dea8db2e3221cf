"""Where arrays live: one mesh over all devices of all processes, the batch split over all of it.

Parameters and the optimiser's state have a copy on every device, or, where the mesh's axis 'model' is longer than 1,
large arrays are split over it (fully sharded data parallelism): XLA gathers each one when a layer needs it, and
scatters its gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dsat_jax.errors import UserError

SMALLEST_SPLIT = 2**14  # elements; smaller arrays are not worth the messages


def make_mesh(model: int = 1) -> Mesh:
    """A mesh of all devices of all processes.

    Args:
      model: length of the axis 'model'; the axis 'data' has the rest.

    Raises:
      ValueError: if the devices cannot be arranged so.
    """
    # In the order of processes: each one's rows of a batch then follow those of the process before it.
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    if model < 1 or len(devices) % model:
        raise UserError(f"config.mesh.model = {model} does not divide the {len(devices)} devices of this run")
    if len(devices) != jax.process_count() * jax.local_device_count():
        raise UserError(
            f"this process has {jax.local_device_count()} of the {len(devices)} devices of {jax.process_count()} "
            "processes; all must have the same number"
        )
    grid = np.array(devices).reshape(-1, model)
    return Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of scalars and of whatever all devices need whole: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its leading dimension over all devices."""
    return NamedSharding(mesh, PartitionSpec(("data", "model")))


def split_large(tree: Any, mesh: Mesh) -> Any:
    """The shardings of a state or parameters.

    An array of at least `SMALLEST_SPLIT` elements is split over 'model' along its longest dimension that the axis
    divides; others, and all where the axis has length 1, have a copy on every device.

    Args:
      tree: arrays, or their abstract form.
      mesh: from `make_mesh`.

    Returns:
      A NamedSharding for every leaf.
    """

    def sharding(leaf: jax.ShapeDtypeStruct) -> NamedSharding:
        parts = mesh.shape["model"]
        fitting = [axis for axis, length in enumerate(leaf.shape) if length % parts == 0]
        if parts == 1 or leaf.size < SMALLEST_SPLIT or not fitting:
            return replicated(mesh)
        longest = max(fitting, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*(None,) * longest, "model"))

    return jax.tree.map(sharding, tree)


def abstract_on(tree: Any, mesh: Mesh) -> Any:
    """The shapes, types and shardings of a state or parameters on a mesh, without its arrays.

    Args:
      tree: arrays, or their abstract form.
      mesh: mesh from `make_mesh`.

    Returns:
      A `jax.ShapeDtypeStruct` for every leaf, with the sharding of `split_large`.
    """
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
        split_large(tree, mesh),
    )


def shardings_of(tree: Any) -> Any:
    """The sharding of every leaf of arrays or their abstract form."""
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


def gathered(tree: Any, mesh: Mesh) -> Any:
    """Inside jit: arrays whole on every device, for the layers that use them. Where they are split, XLA would else
    split the activations in the same way, which costs more messages than it saves memory.
    """
    return jax.lax.with_sharding_constraint(tree, replicated(mesh))


def place_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Puts this process's rows of a batch on its devices.

    Args:
      batch: arrays with a leading dimension of global batch / processes.
      mesh: from `make_mesh`.

    Returns:
      Global arrays, split over all devices.
    """
    sharding = split_batch(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in batch.items()}


def make_any_process(mesh: Mesh) -> Callable[[bool], jax.Array]:
    """A function of one flag of every process: whether any of them has it, for all, as a bool scalar on every device.

    It does not wait: the scalar is there when the device has come to it.

    Args:
      mesh: from `make_mesh`.
    """
    any_of = jax.jit(jnp.any, out_shardings=replicated(mesh))

    def any_process(flag: bool) -> jax.Array:
        flags = np.full(jax.local_device_count(), flag)
        return any_of(jax.make_array_from_process_local_data(split_batch(mesh), flags))

    return any_process


def gather_rows(rows: np.ndarray) -> np.ndarray:
    """The rows of process 0, then of process 1, ..., as in the global batch, on every process, bit for bit.

    Args:
      rows: [rows, ...] of this process; as many on every process.
    """
    if jax.process_count() == 1:
        return rows
    # As bytes: JAX would make float32 of float64.
    data = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    gathered = np.asarray(multihost_utils.process_allgather(data, tiled=True))
    return gathered.view(rows.dtype).reshape(-1, *rows.shape[1:])


def spread(batch_size: int) -> int:
    """The smallest size of a batch that is at least this and spreads evenly over the devices."""
    return -(-batch_size // jax.device_count()) * jax.device_count()


def check_batch_size(name: str, batch_size: int, parts: int = 1) -> None:
    """Refuses a batch that does not spread evenly over the devices.

    Args:
      name: of the field, for the error.
      batch_size: over all devices and processes.
      parts: into which the batch is divided first.

    Raises:
      ValueError: naming the field and the sizes.
    """
    if batch_size % (jax.device_count() * parts):
        raise UserError(
            f"{name} = {batch_size} does not spread evenly over {jax.device_count()} devices"
            + (f" in {parts} parts" if parts > 1 else "")
        )
