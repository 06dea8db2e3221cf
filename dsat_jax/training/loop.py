"""The training loop, from a run folder's newest checkpoint to the last step."""

import collections
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import drawing, metrics, models, schemes
from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.config import flatten
from dsat_jax.data import datasets, decoded_records, mixture, resident_records
from dsat_jax.data.batches import Sample, training_batches
from dsat_jax.data.datasets import Record
from dsat_jax.data.mixture import MixedRecords
from dsat_jax.data.resident_records import ResidentRecords
from dsat_jax.evaluation import evaluate, split_result
from dsat_jax.inference.forward import jit_forward
from dsat_jax.runtime import processes, sharding, watchdog
from dsat_jax.training import initial_state, optimizer, run_folder, state
from dsat_jax.training.meter import Meter, TrainingDivergedError
from dsat_jax.training.recorder import Recorder
from dsat_jax.training.training_step import TrainingStep, make_training_step, place_batch

_IN_FLIGHT = 2  # largest number of steps by which the host is ahead of the device


def train(
    config: ConfigDict, workdir: pathlib.Path, should_stop: Callable[[int], bool] = lambda step: False
) -> state.TrainState | None:
    """Trains a run to its last step, starting from its newest checkpoint if it has one.

    Args:
      config: run's configuration.
      workdir: run folder.
      should_stop: function of the step, called before every step in every process. If it returns True in any process,
        all processes save and stop after the same step, `_IN_FLIGHT` steps later.

    Returns:
      The state at the last step; None if the run was stopped.

    Raises:
      UserError: if the folder contains a run of another configuration or only damaged checkpoints, or if the training
        images do not fit into memory with `config.train.keep_decoded` or `config.data.resident`.
      OSError: if another process trains in the folder, or a file cannot be written.
      TrainingDivergedError: if a loss, a gradient or the validation NME is not finite.
    """
    config = mixture.with_scheme(config)
    mesh = sharding.make_mesh(config.mesh.model)
    sharding.check_batch_size("config.train.batch_size", config.train.batch_size, config.train.accumulate)
    datasets.test_splits(config, config.data.test)  # fails now rather than after hours of training
    sources = (
        mixture.read_training(config),
        datasets.read_split(mixture.evaluated(config), config.data.validation),
    )
    memory = planned = None
    if config.data.resident:
        planned = resident_records.plan(sources[0], config, mesh)
        memory = resident_records.memory(planned, mesh)
    elif config.train.keep_decoded:
        memory = decoded_records.planned_memory(sources[0], config.train.reader_processes)
    with contextlib.ExitStack() as opened:
        opened.enter_context(run_folder.claimed(workdir, config))
        saved = opened.enter_context(contextlib.closing(Checkpoints(workdir)))
        model = models.build_for(config)
        transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
        current = _newest_state(saved, config, model, transform, mesh)
        start = int(current.step)
        recorder = Recorder(workdir, start, config.train.steps, active=jax.process_index() == 0)
        opened.enter_context(contextlib.closing(recorder))
        recorder.message(_description(config, workdir, current, *sources))
        recorder.text(start, "configuration", json.dumps(config.to_dict(), indent=2))
        recorder.choices(flatten(config.to_dict()), ["validation/nme"])
        if memory:
            recorder.message(memory)
        resident = planned and resident_records.load(planned, sources[0], config, mesh)
        batches = training_batches(config, sources[0], start, jax.process_index(), jax.process_count())
        opened.enter_context(contextlib.closing(batches))
        # Entered last, so that it exits first: to close the rest would mean to wait for processes that are gone.
        opened.enter_context(processes.lost_processes_named())
        run = _Run(
            config=config,
            mesh=mesh,
            batches=batches,
            resident=resident,
            training_step=make_training_step(model, transform, config, mesh),
            validate=_make_validation(model, config, sources[1], mesh, recorder, workdir),
            saved=saved,
            recorder=recorder,
        )
        return run.go_on(current, start, should_stop)


@dataclasses.dataclass
class _Run:
    """A run in training, with everything that its loop uses."""

    config: ConfigDict
    mesh: Mesh
    batches: Iterator[Sample]
    resident: ResidentRecords | None
    training_step: TrainingStep
    validate: Callable[[int, Mapping[str, Any]], float]
    saved: Checkpoints
    recorder: Recorder

    def go_on(
        self, current: state.TrainState, start: int, should_stop: Callable[[int], bool]
    ) -> state.TrainState | None:
        """Takes all steps after `start`; returns the last state, or None if the run was stopped."""
        train, any_process = self.config.train, sharding.make_any_process(self.mesh)
        meter = Meter(self.recorder, train.batch_size)
        asked: collections.deque[jax.Array] = collections.deque()
        for step in range(start + 1, train.steps + 1):
            asked.append(any_process(should_stop(step)))
            batch = self._next_batch(step)
            placed = place_batch(batch, self.config, self.mesh, self.resident)
            if step == start + 1:
                with self._awaiting("compiling the training step"):
                    current, scalars = self.training_step(current, placed)
                meter.resume()
            else:
                current, scalars = self.training_step(current, placed)
            self.recorder.stepped(step)
            meter.add(scalars, batch["record"])
            # Reading the answer of an earlier step waits for that step, so that the host is at most `_IN_FLIGHT` steps
            # ahead.
            stop = len(asked) > _IN_FLIGHT and bool(asked.popleft())
            last = step == train.steps
            if step % train.log_every == 0 or last or stop:
                meter.end_interval(step)
                self.saved.check()
            evaluates = step % train.evaluate_every == 0 or last
            if evaluates or stop or step % train.save_every == 0:
                meter.pause(step)
                self.recorder.send()
                with self._awaiting("evaluating" if evaluates else "saving"):
                    self.saved.save(current, self.validate(step, current.ema) if evaluates else None)
                meter.resume()
            if stop or (last and any(map(bool, asked))):
                self.recorder.message(f"stopped at step {step}; the same command continues from there")
                return None
        return current

    @contextlib.contextmanager
    def _awaiting(self, what: str) -> Iterator[None]:
        """Says what is done instead of steps, next to the progress bar and when the user stops the run."""
        with self.recorder.waiting(what), processes.awaiting(what):
            yield

    def _next_batch(self, step: int) -> Sample:
        with watchdog.reported(self.config.train.stall_seconds, f"the training images of step {step}"):
            return next(self.batches)


def _newest_state(
    saved: Checkpoints,
    config: ConfigDict,
    model: nn.Module,
    transform: optax.GradientTransformation,
    mesh: Mesh,
) -> state.TrainState:
    """Returns the state of the newest checkpoint, or the initial state if there is no checkpoint."""
    newest = saved.newest_step()
    if newest is None:
        return initial_state.begin(config, model, transform, mesh)
    return saved.restore(newest, state.template(mesh, model, transform, config.input.size))


def _description(
    config: ConfigDict,
    workdir: pathlib.Path,
    current: state.TrainState,
    training: MixedRecords,
    validation: Sequence[Record],
) -> str:
    """Returns the lines that a run logs before its first step."""
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    step = int(current.step)
    return "\n".join(
        [
            state.parameter_table(current.params),
            f"training faces: {mixture.described(config, training)}; validation faces: {config.data.validation}: "
            f"{len(validation)}; {devices}; {workdir}",
            f"continuing from step {step}" if step else f"starting from {initial_state.described(config)}",
        ]
    )


def _make_validation(
    model: nn.Module,
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    mesh: Mesh,
    recorder: Recorder,
    workdir: pathlib.Path,
) -> Callable[[int, Mapping[str, Any]], float]:
    """Returns a function that evaluates the variables of a step on the validation split: NME in percent."""
    validated = mixture.evaluated(config)
    scheme = schemes.find(validated.data.scheme)
    forward = jit_forward(model, config, mesh, scheme)
    normaliser = metrics.normaliser_name(config.evaluate.normaliser, scheme)

    def validate(step: int, variables: Mapping[str, Any]) -> float:
        result = evaluate.evaluate_split(forward, variables, validated, source, mesh)
        summaries = split_result.summarise("validation", result, config.evaluate.threshold)
        nme = summaries["validation"]["nme"]
        if not np.isfinite(nme):
            raise TrainingDivergedError(f"the validation NME of step {step} is {nme}; it was not saved")
        recorder.scalars(step, {"validation_nme": nme})
        recorder.points(step, split_result.figures(summaries))
        if result.open_channels is not None:
            recorder.histogram(step, "validation/open_channels", result.open_channels.mean(axis=1))
        recorder.message(f"step {step}: validation NME {nme:.2f} % ({normaliser})")
        if jax.process_index() == 0:  # the rows of process 0 in the first batch are faces, not padding
            grid = drawing.sample_grid(result.sample, scheme)
            recorder.image(step, "validation", grid)
            drawing.write_image(workdir / drawing.SAMPLES_FILE, grid)
        return nme

    return validate
