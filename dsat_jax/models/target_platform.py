"""The platform that a program is traced for."""

import jax


def target_platform() -> str | None:
    """Returns the platform of the mesh in JAX's context (`jax.set_mesh`, `jax.sharding.use_abstract_mesh`).

    Returns:
      'tpu', 'gpu' or 'cpu'; None without a mesh, as in programs that are exported for several platforms.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return None if device is None else device.platform
