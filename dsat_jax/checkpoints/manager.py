"""Checkpoints of a run, written by Orbax: the newest two, to continue training, and the best one, for inference.

A checkpoint is a folder named by its step. Orbax writes it in the background under a temporary name and renames it when
it is complete. In a bucket, where a folder cannot be renamed at once, Orbax writes it under its final name, and at last
the object `_COMPLETE`. A seal, a file of checksums in that folder, detects later damage.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy

from dsat_jax.checkpoints import checksums, save_errors
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.weights.names import by_name

Tree = TypeVar("Tree")


class State(Protocol):
    """A PyTree of arrays with a step, such as `training.state.TrainState`."""

    step: jax.Array


FOLDER = "checkpoints"
_STATE = "state"  # Orbax's folder of the state, inside the folder of a step
_NEWEST_KEPT = 2  # the newest, and the one before it in case the newest is damaged
_ASIDE = "damaged"
_COMPLETE = "commit_success.txt"  # Orbax's name


class Checkpoints:
    """The checkpoints of a run in training.

    Attributes:
      path: folder of the checkpoints.
    """

    def __init__(self, workdir: pathlib.Path):
        """Opens the folder, removes incomplete saves, and renames damaged checkpoints to `<step>.damaged`.

        Args:
          workdir: run folder.

        Raises:
          UserError: if all checkpoints are damaged.
        """
        self.path = locations.absolute(workdir) / FOLDER
        if jax.process_index() == 0:
            _remove_incomplete(self.path)
            _set_damaged_aside(self.path)
        multihost_utils.sync_global_devices("incomplete checkpoints are removed, damaged ones set aside")
        if not _steps(self.path) and any_in(workdir):
            raise UserError(
                f"every checkpoint in {self.path} is damaged: restore a copy, or delete that folder to start again"
            )
        facts = {step: checksums.read(self.path / str(step) / _STATE) for step in _steps(self.path)}
        self._kept = _NewestAndBest({step: facts[step].validation_nme for step in facts})
        handlers = ocp.handlers.DefaultCheckpointHandlerRegistry()
        handlers.add(_STATE, _SealedSave, _SealedHandler())
        options = ocp.CheckpointManagerOptions(preservation_policy=self._kept)
        self._manager = ocp.CheckpointManager(
            epath.Path(self.path), options=options, handler_registry=handlers
        )
        save_errors.keep_tracebacks_out()

    def save(self, state: State, validation_nme: float | None) -> None:
        """Saves a state in the background, after the previous save has finished.

        Args:
          state: training state; its buffers may be donated as soon as the call returns.
          validation_nme: NME on the validation split in percent, which ranks the checkpoint; None for a checkpoint that
            only serves to continue training.

        Raises:
          OSError: if this save or the previous one cannot be written.
        """
        step = int(state.step)
        nme = None if validation_nme is None else float(validation_nme)
        self._kept.validation_nmes[step] = nme
        sealed = _SealedSave(state, checksums.Facts(step, nme, _forms(state)))
        with self._failure_named():
            self._manager.save(step, args=ocp.args.Composite(**{_STATE: sealed}))

    def check(self) -> None:
        """Raises the error of a failed save; returns immediately if the save is still in progress.

        Raises:
          OSError: if the save could not be written, for example because the disk is full.
        """
        if not self._manager.is_saving_in_progress():
            with self._failure_named():
                self._manager.wait_until_finished()

    def newest_step(self) -> int | None:
        """Returns the step of the newest checkpoint; None if there is no checkpoint."""
        return self._manager.latest_step()

    def restore(self, step: int, template: Tree) -> Tree:
        """Returns the state saved at a step, placed on the devices of this run.

        Args:
          step: step of an existing checkpoint.
          template: expected shapes, types and shardings, made by `training.state.template`.

        Raises:
          UserError: if the checkpoint belongs to another model.
        """
        return _restore(self.path, step, template)

    def close(self) -> None:
        """Waits until all saves are on disk.

        Raises:
          OSError: if the last save could not be written.
        """
        with self._failure_named():
            self._manager.close()

    @contextlib.contextmanager
    def _failure_named(self) -> Iterator[None]:
        """Turns the exceptions of a failed save into an OSError with a message of one sentence."""
        try:
            yield
        except save_errors.KINDS as error:
            newest = max(_steps(self.path), default=None)
            before = (
                "no complete one exists"
                if newest is None
                else f"the newest complete one is that of step {newest}"
            )
            raise OSError(
                f"{save_errors.reason(error)}: a checkpoint could not be written to {self.path}; {before}"
            ) from error


def any_in(workdir: pathlib.Path) -> bool:
    """Whether a run folder contains checkpoints, including damaged ones."""
    path = workdir / FOLDER
    return bool(_steps(path)) or any(path.glob(f"*.{_ASIDE}*"))


def restore_best(workdir: pathlib.Path, template: dict[str, Any]) -> dict[str, Any]:
    """Returns the averaged variables of the undamaged checkpoint with the lowest validation NME.

    Other parts of the state are not read. Nothing in the folder is changed, because the run may still be in training.

    Args:
      workdir: run folder.
      template: expected shapes, types and shardings, the `ema` of `training.state.template`.

    Raises:
      FileNotFoundError: if no checkpoint was evaluated.
      UserError: if all evaluated checkpoints are damaged, or the best one belongs to another model.
    """
    path = locations.absolute(workdir) / FOLDER
    whole, damaged = _examine(path)
    for step, text in damaged.items():
        logging.error("%s is damaged and not used: %s", path / str(step), text)
    evaluated = {step: nme for step, nme in whole.items() if nme is not None}
    if evaluated:
        return _restore(path, min(evaluated, key=evaluated.get), {"ema": template})["ema"]
    if damaged:
        steps = ", ".join(map(str, damaged))
        raise UserError(f"no undamaged checkpoint in {path} was evaluated; damaged steps: {steps}")
    raise FileNotFoundError(f"{path} holds no checkpoint: the run has not reached its first evaluation")


@dataclasses.dataclass
class _NewestAndBest(preservation_policy.PreservationPolicy):
    """Orbax's policy for the checkpoints to keep."""

    validation_nmes: dict[int, float | None]

    def should_preserve(
        self, checkpoints: Sequence[Any], *, context: preservation_policy.PreservationContext
    ) -> list[bool]:
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        evaluated = [step for step in steps if self.validation_nmes[step] is not None]
        kept = {*steps[-_NEWEST_KEPT:], min(evaluated, key=self.validation_nmes.get, default=None)}
        return [step in kept for step in steps]


@dataclasses.dataclass
class _SealedSave(ocp.args.CheckpointArgs):
    """A state to save, and the facts for its seal."""

    state: State
    facts: checksums.Facts


class _SealedHandler(ocp.StandardCheckpointHandler):
    """Writes a state as Orbax does, then its seal, before the folder gets its final name."""

    async def async_save(self, directory: epath.Path, args: _SealedSave) -> Any:
        self._facts = args.facts
        return await super().async_save(directory, args=ocp.args.StandardSave(args.state))

    def finalize(self, directory: epath.Path) -> None:
        """Writes the seal; Orbax calls this in the background, in one process."""
        super().finalize(directory)
        checksums.write(locations.locate(directory), self._facts)


def _restore(path: pathlib.Path, step: int, template: Tree) -> Tree:
    """Restores those parts of a step's state that the template contains."""
    # No content of a checkpoint is executed: the seal is JSON, and TensorStore reads arrays of numbers. Tree, types,
    # shapes and shardings come from the template, not from Orbax's metadata in the folder.
    folder = path / str(step)
    expected = _forms(template)
    parts = {name.partition("/")[0] for name in expected}
    saved = {
        name: form
        for name, form in checksums.read(folder / _STATE).arrays.items()
        if name.partition("/")[0] in parts
    }
    names = [name for name in sorted({*saved, *expected}) if saved.get(name) != expected.get(name)]
    if names:
        name, more = names[0], f" (first of {len(names)} differences)" if len(names) > 1 else ""
        raise UserError(
            f"{folder} is a checkpoint of another model: {name} is {saved.get(name, 'missing')}, expected "
            f"{expected.get(name, 'missing')}{more}"
        )
    arguments = ocp.args.PyTreeRestore(
        template, ocp.checkpoint_utils.construct_restore_args(template), partial_restore=True
    )
    with ocp.PyTreeCheckpointer() as checkpointer:
        return checkpointer.restore(epath.Path(folder) / _STATE, args=arguments)


def _forms(tree: Tree) -> dict[str, str]:
    """Returns type and shape of every array: `{"params/backbone/conv/kernel": "float32[3, 3, 64, 64]", ...}`."""
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in by_name(tree).items()}


def _steps(path: pathlib.Path) -> list[int]:
    """Returns the steps of all complete checkpoints in ascending order."""
    return sorted(int(folder.name) for folder in _folders(path) if _is_complete(folder))


def _folders(path: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders of all steps; in a bucket, those of incomplete saves, too."""
    try:
        return [entry for entry in path.iterdir() if entry.name.isdecimal() and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_complete(folder: pathlib.Path) -> bool:
    return not locations.in_bucket(folder) or (folder / _COMPLETE).exists()


def _examine(path: pathlib.Path) -> tuple[dict[int, float | None], dict[int, str]]:
    """Returns the undamaged steps with their validation NME, and the damaged steps with a description."""
    whole, damaged = {}, {}
    for step in _steps(path):
        folder = path / str(step) / _STATE
        try:
            checksums.check(folder)
            facts = checksums.read(folder)
            if facts.step != step:
                raise checksums.DamagedError(f"it holds the state of step {facts.step}")
            whole[step] = facts.validation_nme
        except checksums.DamagedError as error:
            if folder.parent.is_dir():  # otherwise a run in training has just removed it
                damaged[step] = str(error)
    return whole, damaged


def _remove_incomplete(path: pathlib.Path) -> None:
    """Removes the saves that were interrupted before their end."""
    # Not left to Orbax, which removes them in the background and does not wait for that when it is closed: a second
    # opening of the folder then removes the same files at the same time and fails.
    if locations.in_bucket(path):
        for folder in itertools.filterfalse(_is_complete, _folders(path)):
            folder.rmtree()
    for folder in path.glob(f"*{ocp.utils.TMP_DIR_SUFFIX}*"):
        shutil.rmtree(folder)


def _set_damaged_aside(path: pathlib.Path) -> None:
    """Renames damaged checkpoints, so that their steps can be saved again and no data is lost."""
    for step, text in _examine(path)[1].items():
        folder = path / str(step)
        earlier = len(list(path.glob(f"{step}.{_ASIDE}*")))
        aside = folder.rename(path / f"{step}.{_ASIDE}{f'.{earlier + 1}' if earlier else ''}")
        logging.error("%s is damaged (%s): renamed to %s", folder, text, aside.name)
