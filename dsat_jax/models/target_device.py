"""The kind of device that a program is traced for."""

import jax


def target_device() -> str:
    """Returns the kind of the devices of the mesh in JAX's context, such as 'TPU v5 lite' or 'NVIDIA H100 80GB HBM3'.

    The context is that of `jax.set_mesh` or `jax.sharding.use_abstract_mesh`. Without a mesh, as in programs that are
    exported for several platforms, the result is empty.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return "" if device is None else device.device_kind


def is_for_tpus() -> bool:
    """Returns whether the program is traced for a mesh of TPUs."""
    return target_device().startswith("TPU")
