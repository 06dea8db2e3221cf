"""Training: the loop around the step, from a folder's newest checkpoint to the last step."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import (
    config as run_config,
    datasets,
    evaluate,
    inputs,
    mesh as meshes,
    metrics,
    models,
    optimizer,
    pictures,
    schemes,
    stall,
    state,
    torch_import,
)
from dsat_jax.checkpoints import Checkpoints
from dsat_jax.meter import Meter, TrainingDivergedError
from dsat_jax.recorder import Recorder
from dsat_jax.training_step import DEVICE_FIELDS, make_training_step


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
      ValueError: if the folder holds a run of another configuration, or only damaged checkpoints.
      OSError: if a checkpoint cannot be written.
      TrainingDivergedError: if a loss, a gradient or the validation's NME is no longer finite.
    """
    config = datasets.with_scheme(config)
    mesh = meshes.make_mesh(config.mesh.model)
    meshes.check_batch_size("config.train.batch_size", config.train.batch_size, config.train.accumulate)
    meshes.check_batch_size("config.evaluate.batch_size", config.evaluate.batch_size)
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
            with stall.reported(config.train.stall_seconds, f"the training images of step {step}"):
                batch = next(batches)
            placed = meshes.place_batch({name: batch[name] for name in DEVICE_FIELDS}, mesh)
            current, scalars = training_step(current, placed)
            meter.add(scalars, batch["record"])
            last, stop = step == config.train.steps, should_stop(step)
            if step % config.train.log_every == 0 or last:
                meter.end_interval(step)
                saved.check()
            evaluates = step % config.train.evaluate_every == 0 or last
            if evaluates or stop or step % config.train.save_every == 0:
                meter.pause(step)
                saved.save(current, validate(step, current.ema) if evaluates else None)
                meter.resume()
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
        return _with_pretrained_backbone(created, config.model)
    return saved.restore(newest, state.template(mesh, model, transform, config.input.size))


def _with_pretrained_backbone(created: state.TrainState, config: ConfigDict) -> state.TrainState:
    """The state with the backbone's weights from the file that `config.model` names, where it names one."""
    path = config.get("backbone_weights")
    if path is None:
        return created
    old = {"params": created.params["backbone"], "batch_stats": created.batch_stats["backbone"]}
    return state.with_backbone(created, torch_import.load_backbone(path, config.backbone, old))


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
        if jax.process_index() == 0:  # whose rows of the first batch are faces, not filling
            grid = pictures.sample_grid(result.sample, schemes.find(config.data.scheme))
            recorder.image(step, "validation", grid)
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
