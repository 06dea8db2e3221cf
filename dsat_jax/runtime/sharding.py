"""Placement of arrays: one mesh over all devices of all processes, with the batch split over the whole mesh.

Parameters and the optimiser's state have a copy on every device. If the mesh's axis 'model' is longer than 1, large
arrays are split over it instead (fully sharded data parallelism): XLA gathers each one when a layer needs it, and
scatters its gradient.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dsat_jax.errors import UserError

SMALLEST_SPLIT = 2**14  # elements; smaller arrays are not worth the communication


def make_mesh(model: int = 1, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns a mesh of all devices of all processes.

    Args:
      model: length of the axis 'model'; the length of the axis 'data' is the number of devices divided by it.
      devices: devices that are not attached, to compile for; None for those of this run.

    Raises:
      UserError: if the length does not divide the number of devices, or processes have different numbers of devices.
    """
    attached = devices is None
    # Sorted by process, so that the rows of a global batch are those of process 0, then of process 1, and so on.
    devices = sorted(
        jax.devices() if attached else devices, key=lambda device: (device.process_index, device.id)
    )
    if model < 1 or len(devices) % model:
        raise UserError(f"config.mesh.model = {model} does not divide the {len(devices)} devices of this run")
    if attached and len(devices) != jax.process_count() * jax.local_device_count():
        raise UserError(
            f"this process has {jax.local_device_count()} of the {len(devices)} devices of {jax.process_count()} "
            "processes; all must have the same number"
        )
    grid = np.array(devices).reshape(-1, model)
    return Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding with a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: its leading dimension is split over all devices."""
    return NamedSharding(mesh, PartitionSpec(("data", "model")))


def split_large(tree: Any, mesh: Mesh) -> Any:
    """Returns the shardings of a state or of parameters.

    An array of at least `SMALLEST_SPLIT` elements is split over 'model' along its longest dimension that is divisible
    by the axis. All other arrays have a copy on every device. If the axis has length 1, this applies to all arrays.

    Args:
      tree: arrays, or their abstract form.
      mesh: mesh from `make_mesh`.

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
    """Returns the shapes, dtypes and shardings of a state or of parameters on a mesh, without the arrays.

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
    """Returns the sharding of every leaf of a tree of arrays, or of their abstract form."""
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


def gathered(tree: Any, mesh: Mesh) -> Any:
    """Returns arrays that are whole on every device; for use inside jit.

    Without this constraint XLA splits the activations like the parameters, and the communication costs more than the
    saved memory is worth.
    """
    return jax.lax.with_sharding_constraint(tree, replicated(mesh))


def traced_on(mesh: Mesh, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that JAX traces with a mesh of TPUs or GPUs in its context, so that kernels for them are used.

    For a mesh of CPUs it is the same function.
    """
    if mesh.devices.flat[0].platform == "cpu":
        return function

    @functools.wraps(function)
    def traced(*arguments: Any) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*arguments)

    return traced


def place_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Puts this process's rows of a batch on its devices.

    Args:
      batch: arrays with a leading dimension of global batch / processes.
      mesh: mesh from `make_mesh`.

    Returns:
      Global arrays, split over all devices.
    """
    sharding = split_batch(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in batch.items()}


def make_any_process(mesh: Mesh) -> Callable[[bool], jax.Array]:
    """Returns a function of one flag per process: whether any flag is set, as a bool scalar on every device.

    The function does not wait for the result: it returns the scalar while the device still computes it.

    Args:
      mesh: mesh from `make_mesh`.
    """
    any_of = jax.jit(jnp.any, out_shardings=replicated(mesh))

    def any_process(flag: bool) -> jax.Array:
        flags = np.full(jax.local_device_count(), flag)
        return any_of(jax.make_array_from_process_local_data(split_batch(mesh), flags))

    return any_process


def gather_rows(rows: np.ndarray) -> np.ndarray:
    """Returns the rows of all processes, unchanged and in the order of the processes, on every process.

    Args:
      rows: array [rows, ...] of this process; all processes have the same number of rows.
    """
    if jax.process_count() == 1:
        return rows
    # As bytes, because JAX would convert float64 to float32.
    data = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    gathered = np.asarray(multihost_utils.process_allgather(data, tiled=True))
    return gathered.view(rows.dtype).reshape(-1, *rows.shape[1:])


def spread(batch_size: int, devices: int | None = None) -> int:
    """Returns the batch size rounded up to a multiple of a number of devices, by default that of this run."""
    devices = devices or jax.device_count()
    return -(-batch_size // devices) * devices


def check_batch_size(name: str, batch_size: int, parts: int = 1, devices: int | None = None) -> None:
    """Checks that a batch spreads evenly over the devices.

    Args:
      name: field of the configuration, for the error message.
      batch_size: batch size over all devices and processes.
      parts: number of parts of the batch that are processed one after the other.
      devices: number of devices; None for that of this run.

    Raises:
      UserError: if it does not.
    """
    devices = devices or jax.device_count()
    if batch_size % (devices * parts):
        raise UserError(
            f"{name} = {batch_size} does not spread evenly over {devices} devices"
            + (f" in {parts} parts" if parts > 1 else "")
            + f": the next number that does is {spread(batch_size, devices * parts)}"
        )
