"""One step of training: a pure function of a state and a batch, jitted over the mesh."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh, PartitionSpec
from ml_collections import ConfigDict

from dsat_jax import preprocess, schemes
from dsat_jax.config import choose
from dsat_jax.data.batches import Sample
from dsat_jax.data.resident_records import ResidentRecords
from dsat_jax.runtime import sharding
from dsat_jax.training import augment, device_crops, objective, optimizer, state

Batch = Mapping[str, Any]
TrainingStep = Callable[[state.TrainState, Batch], tuple[state.TrainState, dict[str, jax.Array]]]

DEVICE_FIELDS = ("image", "points", "weights", "damaged")


def device_fields(config: ConfigDict) -> tuple[str, ...]:
    """Returns the names of the arrays of a batch that the host sends to the devices in each step."""
    return ("record",) if config.data.resident else DEVICE_FIELDS


def place_batch(
    batch: Sample, config: ConfigDict, mesh: Mesh, resident: ResidentRecords | None = None
) -> dict[str, Any]:
    """Puts this process's rows of a batch on its devices, as the training step expects them.

    Args:
      batch: element of `data.batches.training_batches`.
      config: run's configuration.
      mesh: mesh from `sharding.make_mesh`.
      resident: records on the mesh with `config.data.resident`, otherwise None.

    Returns:
      Global arrays by name, split over all devices; with them the resident records, if there are any.
    """
    placed = sharding.place_batch({name: batch[name] for name in device_fields(config)}, mesh)
    return placed if resident is None else {**placed, "resident": resident}


class Gradients(NamedTuple):
    """The gradients of a batch, with the values computed along with them.

    Attributes:
      gradients: gradients of the loss, a tree like the parameters.
      batch_stats: running statistics after the batch.
      scalars: float32 means over the batch, by name.
    """

    gradients: Any
    batch_stats: Any
    scalars: dict[str, jax.Array]


# Arguments: parameters, running statistics, a batch with images ready for the model, and a random key.
GradientFunction = Callable[[Any, Any, Batch, jax.Array], Gradients]


def make_training_step(
    model: nn.Module, transform: optax.GradientTransformation, config: ConfigDict, mesh: Mesh
) -> TrainingStep:
    """Returns the jitted training step.

    Args:
      model: module from `models.build_for`.
      transform: optimiser from `make_optimizer`.
      config: run's configuration.
      mesh: mesh from `sharding.make_mesh`.

    Returns:
      A function of a state and a batch from `place_batch`. It donates the arrays of the state, and returns the next
      state and float32 scalars: loss and its parts, pixel_error (mean distance in input pixels), gradient_norm,
      learning_rate, damaged (number of damaged faces), skipped (1 if only the step number changed) and, if the model
      has a gate, gate_openness.

    Raises:
      UserError: if `config.train.not_finite` or `config.train.statistics` is unknown.
    """
    guard = choose(GUARDS, config.train.not_finite, "config.train.not_finite")
    schedule = optimizer.make_schedule(config.optimizer, config.train.steps)
    scheme = schemes.find(config.data.scheme)
    over_devices = choose(STATISTICS, config.train.statistics, "config.train.statistics")
    gradients_of = _accumulated(_make_gradients(model, config), config.train.accumulate)
    gradients_of = over_devices(gradients_of, mesh, jnp.dtype(config.model.dtype))

    placed = sharding.shardings_of(state.template(mesh, model, transform, config.input.size))

    def step(old: state.TrainState, batch: Batch) -> tuple[state.TrainState, dict[str, jax.Array]]:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), old.step), 3)
        augment_key, model_key, jitter_key = keys
        if "resident" in batch:
            jitter = device_crops.draw_jitter(jitter_key, len(batch["record"]), config.augment)
            batch = device_crops.cut(batch["resident"], batch["record"], jitter, config, scheme, mesh)
        images = augment.augment(augment_key, preprocess.to_unit_range(batch["image"]), config.augment)
        images = preprocess.normalise(images, config.input.mean, config.input.std)
        whole = sharding.gathered((old.params, old.batch_stats), mesh)
        gradients, batch_stats, scalars = gradients_of(*whole, {**batch, "image": images}, model_key)
        gradients = jax.lax.with_sharding_constraint(gradients, placed.params)
        updates, opt_state = transform.update(gradients, old.opt_state, old.params)
        params = optax.apply_updates(old.params, updates)
        averaged = state.update_ema(
            old.ema, {"params": params, "batch_stats": batch_stats}, config.optimizer.ema, old.step
        )
        new = state.TrainState(old.step + 1, params, batch_stats, opt_state, averaged)
        scalars |= {
            "gradient_norm": _norm(gradients),
            "learning_rate": jnp.asarray(schedule(old.step), jnp.float32),
            "damaged": batch["damaged"].sum().astype(jnp.float32),
        }
        new, scalars["skipped"] = guard(old, new, scalars)
        return new, scalars

    return jax.jit(
        sharding.traced_on(mesh, step),
        donate_argnums=0,
        in_shardings=(placed, sharding.split_batch(mesh)),
        out_shardings=(placed, sharding.replicated(mesh)),
    )


def _keep_all(
    old: state.TrainState, new: state.TrainState, scalars: Mapping[str, jax.Array]
) -> tuple[state.TrainState, jax.Array]:
    """Accepts every step; if one is not finite, the loop stops before it saves the state."""
    del old, scalars
    return new, jnp.zeros(())


def _skip_not_finite(
    old: state.TrainState, new: state.TrainState, scalars: Mapping[str, jax.Array]
) -> tuple[state.TrainState, jax.Array]:
    """Keeps the old state, apart from the step number, if the loss or the gradient is not finite."""
    finite = jnp.isfinite(scalars["loss"]) & jnp.isfinite(scalars["gradient_norm"])
    chosen = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, old)
    return chosen.replace(step=new.step), 1.0 - finite.astype(jnp.float32)


# Treatments of a step whose loss or gradient is not finite. They return the state, and 1 if the step was skipped.
GUARDS = {"stop": _keep_all, "skip": _skip_not_finite}


def _make_gradients(model: nn.Module, config: ConfigDict) -> GradientFunction:
    """Returns the function from a batch to the gradients of its loss."""
    scheme = schemes.find(config.data.scheme)

    def loss_of(params: Any, batch_stats: Any, batch: Batch, key: jax.Array) -> Any:
        dropout_key, gate_key = jax.random.split(key)
        prediction, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            batch["image"],
            train=True,
            rngs={"dropout": dropout_key, "gate": gate_key},
            mutable=["batch_stats"],
        )
        loss, parts = objective.total_loss(prediction, batch["points"], batch["weights"], config, scheme)
        scalars = {
            "loss": loss,
            **{f"loss_{name}": part for name, part in parts.items()},
            "pixel_error": _pixel_error(prediction.points, batch["points"], batch["weights"]),
        }
        if prediction.gates is not None:
            scalars["gate_openness"] = prediction.gates.mean()
        return loss, (updated["batch_stats"], scalars)

    def gradients_of(params: Any, batch_stats: Any, batch: Batch, key: jax.Array) -> Gradients:
        compute = jax.value_and_grad(loss_of, has_aux=True)
        (_, (batch_stats, scalars)), gradients = compute(params, batch_stats, batch, key)
        return Gradients(gradients, batch_stats, scalars)

    return gradients_of


def _accumulated(gradients_of: GradientFunction, parts: int) -> GradientFunction:
    """Returns a function that processes a batch in parts, one after the other, and averages gradients and scalars.

    BatchNorm sees one part at a time, and each part has its own gate samples and dropout masks.
    """
    if parts == 1:
        return gradients_of

    def divide(rows: jax.Array) -> jax.Array:
        """[batch, ...] -> [parts, batch / parts, ...]; every part has rows of every device, so no row moves."""
        return jnp.moveaxis(rows.reshape(-1, parts, *rows.shape[1:]), 1, 0)

    def mean_over_parts(params: Any, batch_stats: Any, batch: Batch, key: jax.Array) -> Gradients:
        def accumulate(carry: tuple[Any, Any], part: tuple[Batch, jax.Array]) -> Any:
            batch_stats, summed = carry
            gradients, batch_stats, scalars = gradients_of(params, batch_stats, *part)
            return (batch_stats, jax.tree.map(jnp.add, summed, gradients)), scalars

        start = batch_stats, jax.tree.map(jnp.zeros_like, params)
        divided = jax.tree.map(divide, dict(batch)), jax.random.split(key, parts)
        (batch_stats, summed), scalars = jax.lax.scan(accumulate, start, divided)
        gradients = jax.tree.map(lambda total: total / parts, summed)
        return Gradients(gradients, batch_stats, jax.tree.map(lambda values: values.mean(axis=0), scalars))

    return mean_over_parts


def _of_whole_batch(gradients_of: GradientFunction, mesh: Mesh, dtype: jnp.dtype) -> GradientFunction:
    """Returns a function whose result is that of a single device: BatchNorm has the statistics of the whole batch.

    XLA adds the communication: two sums over the devices for each BatchNorm, one after the other, and one for each
    gradient.
    """
    del dtype
    if mesh.devices.flat[0].platform != "tpu":
        return gradients_of

    def replicated(params: Any, batch_stats: Any, batch: Batch, key: jax.Array) -> Gradients:
        computed = gradients_of(params, batch_stats, batch, key)
        # Gradients of a split state are whole on every TPU before the optimiser takes its part of them. Otherwise XLA
        # also splits the products that compute them, into loops that read the activations again for each part: 16 times
        # as many bytes for the full DSAT.
        return jax.lax.with_sharding_constraint(computed, sharding.replicated(mesh))

    return replicated


def _of_each_device(gradients_of: GradientFunction, mesh: Mesh, dtype: jnp.dtype) -> GradientFunction:
    """Returns a function that averages the results of the devices: BatchNorm has the statistics of a device's faces.

    Each device has its own gate samples and dropout masks. The losses of the devices have equal weights, also if their
    faces have different numbers of known landmarks. Large gradients are summed in `dtype`, that of the products that
    have computed them: half of the communication with bfloat16.
    """
    axes = mesh.axis_names

    def averaged(params: Any, batch_stats: Any, batch: Batch, key: jax.Array) -> Gradients:
        key = jax.random.fold_in(key, jax.lax.axis_index(axes))
        computed = gradients_of(params, batch_stats, batch, key)
        gradients = jax.tree.map(mean_gradient, computed.gradients)
        return Gradients(gradients, *jax.lax.pmean(computed[1:], axes))

    def mean_gradient(gradient: jax.Array) -> jax.Array:
        if gradient.size < sharding.SMALLEST_SPLIT:
            return jax.lax.pmean(gradient, axes)
        return jax.lax.pmean(gradient.astype(dtype), axes).astype(gradient.dtype)

    split, whole = PartitionSpec(axes), PartitionSpec()
    return jax.shard_map(
        averaged, mesh=mesh, in_specs=(whole, whole, split, whole), out_specs=whole, check_vma=False
    )


# The faces over which BatchNorm takes its statistics in training.
STATISTICS = {"batch": _of_whole_batch, "device": _of_each_device}


def _norm(tree: Any) -> jax.Array:
    """Returns the Euclidean norm of all leaves.

    It uses dot products: XLA would keep explicit squares in memory, because Adam needs the same squares.
    """
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)))


def _pixel_error(predicted: jax.Array, labels: jax.Array, weights: jax.Array) -> jax.Array:
    """Returns the mean distance over the known landmarks of a batch, input pixels."""
    distance = jnp.linalg.norm(jax.lax.stop_gradient(predicted) - labels, axis=-1)
    return (distance * weights).sum() / jnp.maximum(weights.sum(), 1.0)
