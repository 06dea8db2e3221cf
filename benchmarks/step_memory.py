"""Memory of the full DSAT's training step on one of eight devices, from the analysis of XLA, without running it.

python -m benchmarks.step_memory
"""

import argparse
import os

# Before JAX starts. The compiled code is not run, so that it needs no optimisation.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"

import jax
import jax.numpy as jnp
import numpy as np

from configs import w300
from dsat_jax import models
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.training_step import make_training_step

GIB = 2**30
# Faces per device, length of the mesh axis 'model', whether activations are recomputed, parts of a batch.
SETTINGS = (
    (1, 1, False, 1),
    (1, 8, False, 1),
    (1, 8, True, 1),
    (8, 1, False, 1),
    (8, 8, False, 1),
    (8, 8, True, 1),
    (8, 8, False, 8),
)


def analyse(faces: int, model_axis: int, rematerialise: bool, accumulate: int) -> tuple[float, float]:
    """Returns the memory on each device in GiB: the state, and the temporary memory of the step.

    Args:
      faces: faces per device.
      model_axis: length of the mesh axis 'model'.
      rematerialise: whether activations are recomputed in the backward pass.
      accumulate: number of parts of a batch.
    """
    config = w300.get_config("dsat-released")
    config.model.rematerialise = rematerialise
    config.train.update(batch_size=faces * jax.device_count(), accumulate=accumulate)
    network, mesh = models.build_for(config), sharding.make_mesh(model_axis)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    template = state.template(mesh, network, transform, config.input.size)
    batch_size, size = config.train.batch_size, config.input.size
    batch = {
        "image": jax.ShapeDtypeStruct((batch_size, size, size, 3), np.uint8),
        "points": jax.ShapeDtypeStruct((batch_size, 68, 2), jnp.float32),
        "weights": jax.ShapeDtypeStruct((batch_size, 68), jnp.float32),
        "damaged": jax.ShapeDtypeStruct((batch_size,), bool),
    }
    step = make_training_step(network, transform, config, mesh)
    memory = step.lower(template, batch).compile().memory_analysis()
    return memory.argument_size_in_bytes / GIB, memory.temp_size_in_bytes / GIB


def main() -> None:
    """Prints the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print("| faces per device | state split over | recomputed | in parts | state, GiB | temporary, GiB |")
    print("|---|---|---|---|---|---|")
    for faces, model_axis, rematerialise, accumulate in SETTINGS:
        held, temporary = analyse(faces, model_axis, rematerialise, accumulate)
        recomputed = "yes" if rematerialise else "no"
        cells = [faces, model_axis, recomputed, accumulate, f"{held:.2f}", f"{temporary:.2f}"]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
