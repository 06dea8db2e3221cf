"""Small training states, and the state that a folder of checkpoints restores."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.runtime import sharding
from dsat_jax.training.state import TrainState


def state_at(step: int, size: int = 4) -> TrainState:
    """Returns a state whose values depend on the step."""
    values = {"w": jnp.arange(size, dtype=jnp.float32) + step}
    return TrainState(
        step=jnp.int32(step),
        params=values,
        batch_stats={"mean": jnp.linspace(0, step, 5, dtype=jnp.bfloat16)},
        opt_state=({"count": jnp.int32(step)},),
        ema=jax.tree.map(jnp.copy, values),
    )


def random_state(step: int, size: int) -> TrainState:
    """Returns a state of 4 x size bytes that cannot be compressed."""
    values = np.random.default_rng(step).integers(0, 2**32, size, dtype=np.uint32)
    return TrainState(
        step=jnp.int32(step), params={"w": jnp.asarray(values)}, batch_stats={}, opt_state=(), ema={}
    )


def template_of(state: Any) -> Any:
    """Returns shapes and types of a state, replicated over all devices."""
    replicated = sharding.replicated(sharding.make_mesh())
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated), state)


def restored_newest(workdir: pathlib.Path, template: TrainState | None = None) -> TrainState | None:
    """Restores the newest checkpoint of a run folder; None if there is none."""
    saved = Checkpoints(workdir)
    try:
        newest = saved.newest_step()
        return None if newest is None else saved.restore(newest, template or template_of(state_at(0)))
    finally:
        saved.close()
