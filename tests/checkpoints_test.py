"""Checkpoints: which are kept, and that what is saved is the state at the time of the call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import mesh as meshes
from dsat_jax.checkpoints import Checkpoints
from dsat_jax.state import TrainState


def state_at(step: int, size: int = 4) -> TrainState:
    values = {"w": jnp.arange(size, dtype=jnp.float32) + step}
    return TrainState(
        step=jnp.int32(step), params=values, batch_stats={}, opt_state=(), ema=jax.tree.map(jnp.copy, values)
    )


def template(size: int = 4) -> TrainState:
    """The shapes, types and shardings of `state_at`."""
    whole = meshes.replicated(meshes.make_mesh())
    abstract = jax.eval_shape(lambda: state_at(0, size))
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), abstract)


def test_the_newest_and_the_best_are_kept(tmp_path):
    saved = Checkpoints(tmp_path)
    for step, nme in ((1, 9.0), (2, 5.0), (3, 7.0), (4, 6.0), (5, None)):
        saved.save(state_at(step), nme)
    saved.close()
    kept = {path.name for path in saved.path.iterdir() if path.is_dir()}
    assert kept == {"2", "5"}
    again = Checkpoints(tmp_path)
    assert (again.newest_step(), again.best_step()) == (5, 2)
    restored = again.restore(2, template())
    np.testing.assert_array_equal(restored.params["w"], state_at(2).params["w"])
    again.close()


def test_a_save_in_the_background_survives_the_donation_of_its_state(tmp_path):
    update = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)
    size = 2_000_000
    current, saved = update(state_at(0, size)), Checkpoints(tmp_path)
    saved.save(current, 1.0)
    for _ in range(20):
        current = update(current)
    jax.block_until_ready(current)
    saved.close()
    again = Checkpoints(tmp_path)
    restored = again.restore(1, template(size))
    np.testing.assert_array_equal(restored.params["w"], np.arange(size, dtype=np.float32) + 1)
    again.close()


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    saved = Checkpoints(tmp_path)
    assert saved.newest_step() is None
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        saved.best_step()
    saved.close()
