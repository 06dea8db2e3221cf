"""Training states of a few numbers, and what a folder of checkpoints holds of them."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.runtime import sharding
from dsat_jax.training.state import TrainState


def state_at(step: int, size: int = 4) -> TrainState:
    values = {"w": jnp.arange(size, dtype=jnp.float32) + step}
    return TrainState(
        step=jnp.int32(step),
        params=values,
        batch_stats={"mean": jnp.linspace(0, step, 5, dtype=jnp.bfloat16)},
        opt_state=({"count": jnp.int32(step)},),
        ema=jax.tree.map(jnp.copy, values),
    )


def random_state(step: int, size: int) -> TrainState:
    """A state of 4 x size bytes that no compression makes smaller."""
    values = np.random.default_rng(step).integers(0, 2**32, size, dtype=np.uint32)
    return TrainState(
        step=jnp.int32(step), params={"w": jnp.asarray(values)}, batch_stats={}, opt_state=(), ema={}
    )


def template_of(state: Any) -> Any:
    """Its shapes and types, every array whole on every device."""
    whole = sharding.replicated(sharding.make_mesh())
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), state)


def restored_newest(workdir: pathlib.Path, template: TrainState | None = None) -> TrainState | None:
    saved = Checkpoints(workdir)
    try:
        newest = saved.newest_step()
        return None if newest is None else saved.restore(newest, template or template_of(state_at(0)))
    finally:
        saved.close()
