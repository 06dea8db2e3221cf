"""Training: one jitted step with donated state, and the loop around it."""

import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import augment, evaluate, inputs, models, objective, optimizer, pictures, state
from dsat_jax import config as run_config
from dsat_jax import mesh as meshes
from dsat_jax.checkpoints import Checkpoints
from dsat_jax.recorder import Recorder
from dsat_jax.schemes import SCHEMES

Batch = Mapping[str, jax.Array]
TrainingStep = Callable[[state.TrainState, Batch], tuple[state.TrainState, dict[str, jax.Array]]]

DEVICE_FIELDS = ("image", "points", "weights", "damaged")


class TrainingDivergedError(ValueError):
    """The loss is no longer a finite number."""


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
    scheme = SCHEMES[config.data.scheme]
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


class _Meter:
    """Means of the scalars between two log lines, fetched one interval late, so that the device never waits."""

    def __init__(self, recorder: Recorder, batch_size: int):
        self._recorder = recorder
        self._batch_size = batch_size
        self._current: list[dict[str, jax.Array]] = []
        self._ended: tuple[int, list[dict[str, jax.Array]]] | None = None
        self._since = time.monotonic()

    def add(self, scalars: dict[str, jax.Array]) -> None:
        self._current.append(scalars)

    def end_interval(self, step: int) -> None:
        """Reports the interval before, and keeps the one that ends at `step` for the next call."""
        self.report()
        self._ended, self._current = (step, self._current), []

    def report(self) -> None:
        """Writes the interval that has ended, if there is one.

        Raises:
          TrainingDivergedError: if a loss in it is not finite.
        """
        if self._ended is None:
            return
        step, interval = self._ended
        self._ended = None
        values = jax.tree.map(lambda *scalars: np.array(scalars), *jax.device_get(interval))
        finite = np.isfinite(values["loss"])
        if not finite.all():
            first = step - len(interval) + 1 + int(np.argmin(finite))
            raise TrainingDivergedError(
                f"the loss of step {first} is {values['loss'][np.argmin(finite)]} (learning rate "
                f"{values['learning_rate'][np.argmin(finite)]:.3g}); nothing of it was saved"
            )
        if values["damaged"].sum() > 0:
            logging.warning("%d damaged training images skipped up to step %d", values["damaged"].sum(), step)
        now = time.monotonic()
        rate = len(interval) * self._batch_size / (now - self._since)
        self._since = now
        means = {name: float(value.mean()) for name, value in values.items()}
        means["damaged"] = float(values["damaged"].sum())
        self._recorder.scalars(step, {**means, "images_per_second": rate})
        shown = {"loss": f"{means['loss']:.4g}", "px": f"{means['pixel_error']:.2f}", "images/s": f"{rate:.0f}"}
        self._recorder.progress(step, shown)

    def pause(self) -> None:
        """Reports everything, before work that is not training."""
        self.report()

    def resume(self) -> None:
        """Starts the clock again after such work."""
        self._since = time.monotonic()


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
      TrainingDivergedError: if the loss is no longer finite.
    """
    _claim(workdir, config)
    mesh = meshes.make_mesh()
    for field, size in (
        ("train.batch_size", config.train.batch_size),
        ("evaluate.batch_size", config.evaluate.batch_size),
    ):
        meshes.check_batch_size(f"config.{field}", size)
    training_source = inputs.read_split(config, config.data.train)
    validation_source = inputs.read_split(config, config.data.validation)

    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    current = state.create_on(mesh, model, transform, config.input.size, config.seed)
    saved = Checkpoints(workdir)
    if (newest := saved.newest_step()) is not None:
        current = saved.restore(newest, current, meshes.replicated(mesh))
    start = int(current.step)
    recorder = Recorder(workdir, start, config.train.steps, active=jax.process_index() == 0)
    recorder.message(_opening(config, workdir, current, len(training_source), len(validation_source)))

    training_step = make_training_step(model, transform, config, mesh)
    forward = evaluate.make_evaluation_step(model, config, mesh)
    batches = inputs.training_batches(
        config, training_source, start, jax.process_index(), jax.process_count()
    )
    meter = _Meter(recorder, config.train.batch_size)
    try:
        for step in range(start + 1, config.train.steps + 1):
            batch = next(batches)
            placed = meshes.place_batch({name: batch[name] for name in DEVICE_FIELDS}, mesh)
            current, scalars = training_step(current, placed)
            meter.add(scalars)
            last = step == config.train.steps
            if step % config.train.log_every == 0 or last:
                meter.end_interval(step)
            if step % config.train.evaluate_every == 0 or last:
                meter.pause()
                nme = _validate(forward, current, config, validation_source, mesh, recorder, step, workdir)
                saved.save(current, nme)
                meter.resume()
            elif should_stop(step):
                meter.pause()
                saved.save(current, None)
            if should_stop(step) and not last:
                recorder.message(f"stopped at step {step}; the same command goes on from there")
                return None
        return current
    finally:
        batches.close()
        saved.close()
        recorder.close()


def _claim(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Writes the configuration into the run's folder, or checks that the run there has the same."""
    if not (workdir / run_config.FILE_NAME).exists():
        if jax.process_index() == 0:
            run_config.save(config, workdir)
        return
    differing = run_config.differences(run_config.load(workdir), config)
    if differing:
        raise ValueError(
            f"{workdir} holds a run of another configuration ({'; '.join(differing)}): give another --workdir, or "
            "delete that folder"
        )


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
            f"going on from step {step}" if step else "starting from scratch",
        ]
    )


def _validate(
    forward: evaluate.Forward,
    current: state.TrainState,
    config: ConfigDict,
    source: Any,
    mesh: Mesh,
    recorder: Recorder,
    step: int,
    workdir: pathlib.Path,
) -> float:
    """Evaluates the averaged parameters on validation; returns the NME in percent."""
    result = evaluate.evaluate_split(forward, current.ema, config, source, mesh)
    nme = 100 * float(result.nme.mean())
    recorder.scalars(step, {"validation_nme": nme})
    recorder.message(
        f"step {step}: validation NME {nme:.2f} % ({config.evaluate.normaliser.replace('_', '-')} distance)"
    )
    grid = pictures.sample_grid(result.sample, SCHEMES[config.data.scheme])
    recorder.image(step, "validation", grid)
    if jax.process_index() == 0:
        pictures.write_image(workdir / pictures.SAMPLES_FILE, grid)
    return nme


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
    inputs.build_if_generated(config)
    if train(config, workdir, should_stop) is None:
        return None
    return evaluate.evaluate_run(workdir)
