"""The training state, and the table of its parameters."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn, struct
from jax.sharding import Mesh

from dsat_jax import models
from dsat_jax.runtime import sharding


class TrainState(struct.PyTreeNode):
    """The training state. A checkpoint contains all of it.

    Attributes:
      step: int32 scalar, number of steps taken.
      params: parameters of the model, float32.
      batch_stats: running statistics of the model's BatchNorms, float32.
      opt_state: state of the optimiser.
      ema: moving averages of `params` and `batch_stats`, used in evaluation.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: dict[str, Any]


def create(
    model: nn.Module, optimizer: optax.GradientTransformation, input_size: int, key: jax.Array
) -> TrainState:
    """Returns the state at step 0.

    Args:
      model: module from `models.build`.
      optimizer: optimiser from `make_optimizer`.
      input_size: side of the network's input, pixels.
      key: random key of the initialisation.
    """
    variables = models.initial_variables(model, input_size, key)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        opt_state=optimizer.init(variables["params"]),
        # Copied, because one buffer cannot be donated to the training step twice.
        ema=jax.tree.map(jnp.copy, variables),
    )


@functools.lru_cache(maxsize=8)
def template(
    mesh: Mesh, model: nn.Module, optimizer: optax.GradientTransformation, input_size: int
) -> TrainState:
    """Returns the shapes, dtypes and shardings of a state on a mesh, without its arrays; for arguments see `create`.

    The result is cached, because tracing an initialisation takes as long as tracing a step.
    """
    abstract = jax.eval_shape(lambda: create(model, optimizer, input_size, jax.random.key(0)))
    return sharding.abstract_on(abstract, mesh)


def create_on(
    mesh: Mesh, model: nn.Module, optimizer: optax.GradientTransformation, input_size: int, seed: int
) -> TrainState:
    """Returns the state at step 0 on a mesh; for the arguments see `create`."""
    creation = jax.jit(
        lambda: create(model, optimizer, input_size, jax.random.key(seed)),
        out_shardings=sharding.shardings_of(template(mesh, model, optimizer, input_size)),
    )
    # The program runs only once, so it is not optimised: on a CPU it then compiles in 4 s instead of 19 s.
    on_cpu = jax.default_backend() == "cpu"
    return creation.lower().compile({"xla_backend_optimization_level": 0} if on_cpu else None)()


def with_variables(created: TrainState, variables: Mapping[str, Mapping[str, Any]]) -> TrainState:
    """Returns a state at step 0 with other weights in some parts of its model.

    Args:
      created: state from `create_on`.
      variables: new weights, by 'params' or 'batch_stats' and then by part of the model; on the host or on the mesh's
        devices.
    """
    parts = {"params": created.params, "batch_stats": created.batch_stats}
    old = {kind: {name: parts[kind][name] for name in tree} for kind, tree in variables.items()}
    placed = jax.device_put(variables, sharding.shardings_of(old))
    params = {**created.params, **placed["params"]}
    batch_stats = {**created.batch_stats, **placed["batch_stats"]}
    ema = jax.tree.map(jnp.copy, {"params": params, "batch_stats": batch_stats})
    return created.replace(params=params, batch_stats=batch_stats, ema=ema)


def update_ema(
    ema: Mapping[str, Any], new: Mapping[str, Any], decay: float, step: jax.Array
) -> dict[str, Any]:
    """Returns the moving average, updated with new values.

    The decay grows as (1 + step) / (10 + step) up to `decay`, so that the average soon forgets the initial values.
    A decay of 0 makes the average equal to the new values.
    """
    decay = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, value: decay * old + (1 - decay) * value, dict(ema), dict(new))


def parameter_table(params: Mapping[str, Any]) -> str:
    """Returns the number of parameters of each part of the model, and their total, as lines of text."""
    counts = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()}
    width = max(len(name) for name in [*counts, "parameters"])
    lines = [f"{name:<{width}}  {count:>13,}" for name, count in counts.items()]
    return "\n".join([*lines, f"{'parameters':<{width}}  {sum(counts.values()):>13,}"])
