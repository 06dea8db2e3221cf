"""Training: one jitted step with donated state, and the loop around it."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import (
    augment,
    config as run_config,
    datasets,
    evaluate,
    inputs,
    mesh as meshes,
    metrics,
    models,
    objective,
    optimizer,
    pictures,
    schemes,
    state,
    torch_import,
)
from dsat_jax.checkpoints import Checkpoints
from dsat_jax.meter import Meter, TrainingDivergedError
from dsat_jax.recorder import Recorder

Batch = Mapping[str, jax.Array]
TrainingStep = Callable[[state.TrainState, Batch], tuple[state.TrainState, dict[str, jax.Array]]]

DEVICE_FIELDS = ("image", "points", "weights", "damaged")


def make_training_step(
    model: nn.Module, transform: optax.GradientTransformation, config: ConfigDict, mesh: Mesh
) -> TrainingStep:
    """The jitted training step.

    Args:
      model: as made by `models.build_for`.
      transform: the optimiser.
      config: the run's configuration.
      mesh: from `meshes.make_mesh`.

    Returns:
      A function of a state, which it consumes, and a batch with `DEVICE_FIELDS`; it returns the next state and
      float32 scalars: loss and its parts, pixel_error (mean distance in input pixels), gradient_norm,
      learning_rate, damaged (number of faces) and gate_openness where the model has a gate.
    """
    scheme = schemes.find(config.data.scheme)
    schedule = optimizer.make_schedule(config.optimizer, config.train.steps)

    def loss_of(params: Any, batch_stats: Any, batch: Batch, images: jax.Array, key: jax.Array) -> Any:
        dropout_key, gate_key = jax.random.split(key)
        prediction, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            images,
            train=True,
            rngs={"dropout": dropout_key, "gate": gate_key},
            mutable=["batch_stats"],
        )
        loss, parts = objective.total_loss(prediction, batch["points"], batch["weights"], config, scheme)
        return loss, (parts, prediction, updated["batch_stats"])

    def step(old: state.TrainState, batch: Batch) -> tuple[state.TrainState, dict[str, jax.Array]]:
        augment_key, model_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), old.step))
        images = augment.augment(augment_key, augment.to_unit_range(batch["image"]), config.augment)
        images = augment.normalise(images, config.input.mean, config.input.std)
        (loss, (parts, prediction, batch_stats)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            old.params, old.batch_stats, batch, images, model_key
        )
        updates, opt_state = transform.update(gradients, old.opt_state, old.params)
        params = optax.apply_updates(old.params, updates)
        averaged = state.update_ema(
            old.ema, {"params": params, "batch_stats": batch_stats}, config.optimizer.ema, old.step
        )
        scalars = {
            "loss": loss,
            **{f"loss_{name}": part for name, part in parts.items()},
            "pixel_error": _pixel_error(prediction.points, batch["points"], batch["weights"]),
            "gradient_norm": optax.tree.norm(gradients),
            "learning_rate": jnp.asarray(schedule(old.step), jnp.float32),
            "damaged": batch["damaged"].sum().astype(jnp.float32),
        }
        if prediction.gates is not None:
            scalars["gate_openness"] = prediction.gates.mean()
        return state.TrainState(old.step + 1, params, batch_stats, opt_state, averaged), scalars

    whole, split = meshes.replicated(mesh), meshes.split_batch(mesh)
    return jax.jit(step, donate_argnums=0, in_shardings=(whole, split), out_shardings=(whole, whole))


def _pixel_error(predicted: jax.Array, labels: jax.Array, weights: jax.Array) -> jax.Array:
    """Mean distance over the known landmarks of a batch, input pixels."""
    distance = jnp.linalg.norm(jax.lax.stop_gradient(predicted) - labels, axis=-1)
    return (distance * weights).sum() / jnp.maximum(weights.sum(), 1.0)


def train(
    config: ConfigDict, workdir: pathlib.Path, should_stop: Callable[[int], bool] = lambda step: False
) -> state.TrainState | None:
    """Trains a run to its last step, or goes on with it from its newest checkpoint.

    Args:
      config: the run's configuration.
      workdir: the run's folder.
      should_stop: asked after every step; True saves and stops early.

    Returns:
      The state at the last step; None if it was stopped early.

    Raises:
      ValueError: if the folder holds a run of another configuration.
      TrainingDivergedError: if a loss, a gradient or the validation's NME is no longer finite.
    """
    config = datasets.with_scheme(config)
    for name in ("train", "evaluate"):
        meshes.check_batch_size(f"config.{name}.batch_size", config[name].batch_size)
    mesh = meshes.make_mesh()
    datasets.test_splits(config, config.data.test)  # now, not after hours of training
    sources = [datasets.read_split(config, split) for split in (config.data.train, config.data.validation)]
    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    saved = Checkpoints(workdir)
    run_config.claim(workdir, config, started=saved.newest_step() is not None)
    current = _newest_state(saved, config, model, transform, mesh)
    start = int(current.step)
    recorder = Recorder(workdir, start, config.train.steps, active=jax.process_index() == 0)
    recorder.message(_opening(config, workdir, current, *map(len, sources)))

    training_step = make_training_step(model, transform, config, mesh)
    validate = _make_validation(model, config, sources[1], mesh, recorder, workdir)
    batches = inputs.training_batches(config, sources[0], start, jax.process_index(), jax.process_count())
    meter = Meter(recorder, config.train.batch_size)
    try:
        for step in range(start + 1, config.train.steps + 1):
            batch = next(batches)
            placed = meshes.place_batch({name: batch[name] for name in DEVICE_FIELDS}, mesh)
            current, scalars = training_step(current, placed)
            meter.add(scalars)
            last, stop = step == config.train.steps, should_stop(step)
            if step % config.train.log_every == 0 or last:
                meter.end_interval(step)
            if step % config.train.evaluate_every == 0 or last:
                meter.pause(step)
                saved.save(current, validate(step, current.ema))
                meter.resume()
            elif stop:
                meter.pause(step)
                saved.save(current, None)
            if stop and not last:
                recorder.message(f"stopped at step {step}; the same command goes on from there")
                return None
        return current
    finally:
        batches.close()
        saved.close()
        recorder.close()


def _newest_state(
    saved: Checkpoints,
    config: ConfigDict,
    model: nn.Module,
    transform: optax.GradientTransformation,
    mesh: Mesh,
) -> state.TrainState:
    """The state of the newest checkpoint, or that at step 0 where there is none."""
    newest = saved.newest_step()
    if newest is None:
        created = state.create_on(mesh, model, transform, config.input.size, config.seed)
        return _with_pretrained_backbone(created, config.model, mesh)
    template = state.template(model, transform, config.input.size)
    return saved.restore(newest, template, meshes.replicated(mesh))


def _with_pretrained_backbone(created: state.TrainState, config: ConfigDict, mesh: Mesh) -> state.TrainState:
    """The state with the backbone's weights from the file that `config.model` names, where it names one."""
    path = config.get("backbone_weights")
    if path is None:
        return created
    old = {"params": created.params["backbone"], "batch_stats": created.batch_stats["backbone"]}
    backbone = torch_import.load_backbone(path, config.backbone, old)
    return state.with_backbone(created, jax.device_put(backbone, meshes.replicated(mesh)))


def _opening(
    config: ConfigDict, workdir: pathlib.Path, current: state.TrainState, training: int, validation: int
) -> str:
    """What a run says before its first step."""
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    step = int(current.step)
    return "\n".join(
        [
            state.parameter_table(current.params),
            f"{config.data.dataset}: {training} training and {validation} validation faces; {devices}; {workdir}",
            f"going on from step {step}" if step else f"starting from {_beginning(config.model)}",
        ]
    )


def _beginning(config: ConfigDict) -> str:
    """Where the weights of a new run come from."""
    if config.get("backbone_weights") is None:
        return "scratch"
    return f"the {config.backbone} of {config.backbone_weights}, the rest from scratch"


def _make_validation(
    model: nn.Module,
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    mesh: Mesh,
    recorder: Recorder,
    workdir: pathlib.Path,
) -> Callable[[int, Mapping[str, Any]], float]:
    """The function that evaluates the variables of a step on validation; it returns the NME in percent."""
    forward = evaluate.make_evaluation_step(model, config, mesh)
    normaliser = config.evaluate.normaliser.replace("_", "-")

    def validate(step: int, variables: Mapping[str, Any]) -> float:
        result = evaluate.evaluate_split(forward, variables, config, source, mesh)
        nme = metrics.summary(result.nme, config.evaluate.threshold)["nme"]
        if not np.isfinite(nme):
            raise TrainingDivergedError(f"the validation NME of step {step} is {nme}; it was not saved")
        recorder.scalars(step, {"validation_nme": nme})
        recorder.message(f"step {step}: validation NME {nme:.2f} % ({normaliser})")
        grid = pictures.sample_grid(result.sample, schemes.find(config.data.scheme))
        recorder.image(step, "validation", grid)
        if jax.process_index() == 0:
            pictures.write_image(workdir / pictures.SAMPLES_FILE, grid)
        return nme

    return validate


def train_and_evaluate(
    config: ConfigDict, workdir: pathlib.Path, should_stop: Callable[[int], bool] = lambda step: False
) -> dict[str, dict[str, float]] | None:
    """The story of `--mode=train`: train, then the best checkpoint on the test splits.

    Args:
      config: the run's configuration.
      workdir: the run's folder.
      should_stop: see `train`.

    Returns:
      The summaries of `evaluate.evaluate_splits`; None if the training was stopped early.
    """
    if train(config, workdir, should_stop) is None:
        return None
    return evaluate.evaluate_run(workdir)
