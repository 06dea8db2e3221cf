"""Where arrays live: one mesh over all devices, the batch split over its axis 'data', everything else replicated."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def make_mesh() -> Mesh:
    """A mesh of all devices of all processes with the one axis 'data'."""
    # In the order of processes: each one's rows of a batch then follow those of the process before it.
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of parameters and scalars: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its leading dimension over all devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def place_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Puts this process's rows of a batch on its devices.

    Args:
      batch: arrays with a leading dimension of global batch / processes.
      mesh: from `make_mesh`.

    Returns:
      Global arrays, split over 'data'.
    """
    sharding = split_batch(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in batch.items()}


def check_batch_size(name: str, batch_size: int) -> None:
    """Refuses a batch that does not spread evenly over the devices.

    Raises:
      ValueError: naming the field and the sizes.
    """
    if batch_size % jax.device_count():
        raise ValueError(f"{name} = {batch_size} does not spread evenly over {jax.device_count()} devices")
