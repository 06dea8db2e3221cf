"""Checkpoints of a run through Orbax: the newest two, to go on from, and the best on validation, to use.

Each is a folder named by its step. Orbax writes it under another name, in the background, and renames it when it is
complete; its seal then tells whether it still is what was saved.
"""

import contextlib
import dataclasses
import pathlib
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

Tree = TypeVar("Tree")


class State(Protocol):
    """A PyTree of arrays that knows its step: a `training.state.TrainState`."""

    step: jax.Array


FOLDER = "checkpoints"
_STATE = "state"  # Orbax's folder of the state within that of a step
_NEWEST_KEPT = 2  # one to go on from, and the one before it should that be damaged
_ASIDE = "damaged"


class Checkpoints:
    """The checkpoints of a run in training.

    Attributes:
      path: the folder that holds them.
    """

    def __init__(self, workdir: pathlib.Path):
        """Opens the folder: removes what killed saves have left, and renames damaged checkpoints to `<step>.damaged`.

        Args:
          workdir: the run's folder.

        Raises:
          ValueError: if all checkpoints are damaged.
        """
        self.path = workdir.resolve() / FOLDER
        if jax.process_index() == 0:
            _set_damaged_aside(self.path)
        multihost_utils.sync_global_devices("damaged checkpoints are set aside")
        if not _steps(self.path) and any_in(workdir):
            raise UserError(
                f"every checkpoint in {self.path} is damaged: put back a copy, or delete that folder to start anew"
            )
        facts = {step: checksums.read(self.path / str(step) / _STATE) for step in _steps(self.path)}
        self._kept = _NewestAndBest({step: facts[step].validation_nme for step in facts})
        handlers = ocp.handlers.DefaultCheckpointHandlerRegistry()
        handlers.add(_STATE, _SealedSave, _SealedHandler())
        options = ocp.CheckpointManagerOptions(preservation_policy=self._kept, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(
            epath.Path(self.path), options=options, handler_registry=handlers
        )
        save_errors.keep_tracebacks_out()

    def save(self, state: State, validation_nme: float | None) -> None:
        """Saves a state in the background, once the save before it is on disk.

        Args:
          state: at its step; its buffers may be donated as soon as this returns.
          validation_nme: in percent, ranks the checkpoint; None for one that only serves to go on from.

        Raises:
          OSError: if this save or the one before it cannot be written.
        """
        step = int(state.step)
        nme = None if validation_nme is None else float(validation_nme)
        self._kept.validation_nmes[step] = nme
        sealed = _SealedSave(state, checksums.Facts(step, nme, _forms(state)))
        with self._failure_named():
            self._manager.save(step, args=ocp.args.Composite(**{_STATE: sealed}))

    def check(self) -> None:
        """Raises what the save in the background has failed of; returns at once, whether it has ended or not.

        Raises:
          OSError: if it could not be written: no space left, for example.
        """
        if not self._manager.is_saving_in_progress():
            with self._failure_named():
                self._manager.wait_until_finished()

    def newest_step(self) -> int | None:
        """The step of the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    def restore(self, step: int, template: Tree) -> Tree:
        """The state saved at a step, placed on this run's devices.

        Args:
          step: from `newest_step`.
          template: from `state.template`: the shapes, types and shardings to expect.

        Raises:
          ValueError: if it is a checkpoint of another model.
        """
        return _restore(self.path, step, template)

    def close(self) -> None:
        """Waits until every save is on disk.

        Raises:
          OSError: if the last save could not be written.
        """
        with self._failure_named():
            self._manager.close()

    @contextlib.contextmanager
    def _failure_named(self) -> Iterator[None]:
        """Turns whatever Orbax raises for a save that failed into one sentence."""
        try:
            yield
        except save_errors.KINDS as error:
            newest = max(_steps(self.path), default=None)
            before = "there is none" if newest is None else f"the newest whole one is that of step {newest}"
            raise OSError(
                f"{save_errors.reason(error)}: a checkpoint could not be written to {self.path}; {before}"
            ) from error


def any_in(workdir: pathlib.Path) -> bool:
    """Whether a run's folder holds checkpoints, whole or damaged."""
    path = workdir / FOLDER
    return bool(_steps(path)) or any(path.glob(f"*.{_ASIDE}*"))


def restore_best(workdir: pathlib.Path, template: dict[str, Any]) -> dict[str, Any]:
    """The averaged variables with the lowest NME on validation of the checkpoints that are what was saved.

    Nothing else is read, and nothing in the folder is changed: it may be in training.

    Args:
      workdir: the run's folder.
      template: the `ema` of `state.template`: the shapes, types and shardings to expect.

    Raises:
      FileNotFoundError: if there is no checkpoint that was evaluated.
      ValueError: if those are damaged, or of another model.
    """
    path = workdir.resolve() / FOLDER
    whole, damaged = _examine(path)
    for step, text in damaged.items():
        logging.error("%s is damaged and not used: %s", path / str(step), text)
    evaluated = {step: nme for step, nme in whole.items() if nme is not None}
    if evaluated:
        return _restore(path, min(evaluated, key=evaluated.get), {"ema": template})["ema"]
    if damaged:
        steps = ", ".join(map(str, damaged))
        raise UserError(f"no checkpoint in {path} is whole and was evaluated; damaged: {steps}")
    raise FileNotFoundError(f"{path} holds no checkpoint: the run has not reached its first evaluation")


@dataclasses.dataclass
class _NewestAndBest(preservation_policy.PreservationPolicy):
    """Which checkpoints Orbax keeps."""

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
    """A state to save, and what its seal shall say of it."""

    state: State
    facts: checksums.Facts


class _SealedHandler(ocp.StandardCheckpointHandler):
    """Writes a state as Orbax does, and its seal after all files, before the folder gets its final name."""

    async def async_save(self, directory: epath.Path, args: _SealedSave) -> Any:
        self._facts = args.facts
        return await super().async_save(directory, args=ocp.args.StandardSave(args.state))

    def finalize(self, directory: epath.Path) -> None:
        """Called once for all processes, in the background."""
        super().finalize(directory)
        checksums.write(pathlib.Path(directory), self._facts)


def _restore(path: pathlib.Path, step: int, template: Tree) -> Tree:
    """Those parts of the state of a step that a template has."""
    # What a checkpoint says is never executed: the seal is JSON, and TensorStore reads arrays of numbers. Tree, types,
    # shapes and placement are the template's; what the folder says of them is not looked at.
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
        name, more = names[0], f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UserError(
            f"{folder} is a checkpoint of another model: {name} is {saved.get(name, 'missing')} there and "
            f"{expected.get(name, 'missing')} here{more}"
        )
    arguments = ocp.args.PyTreeRestore(
        template, ocp.checkpoint_utils.construct_restore_args(template), partial_restore=True
    )
    with ocp.PyTreeCheckpointer() as checkpointer:
        return checkpointer.restore(epath.Path(folder) / _STATE, args=arguments)


def _forms(tree: Tree) -> dict[str, str]:
    """Type and shape of every array: `{"params/backbone/conv/kernel": "float32[3, 3, 64, 64]", ...}`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves
    }


def _steps(path: pathlib.Path) -> list[int]:
    """The steps of all complete checkpoints, ascending."""
    if not path.is_dir():
        return []
    return sorted(int(entry.name) for entry in path.iterdir() if entry.name.isdecimal() and entry.is_dir())


def _examine(path: pathlib.Path) -> tuple[dict[int, float | None], dict[int, str]]:
    """The steps that are whole with their NME on validation, and those that are not with their damage."""
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
            if folder.parent.is_dir():  # else the training has just removed it
                damaged[step] = str(error)
    return whole, damaged


def _set_damaged_aside(path: pathlib.Path) -> None:
    """Renames damaged checkpoints, so that their steps can be saved again and nothing is lost."""
    for step, text in _examine(path)[1].items():
        folder = path / str(step)
        earlier = len(list(path.glob(f"{step}.{_ASIDE}*")))
        aside = folder.rename(path / f"{step}.{_ASIDE}{f'.{earlier + 1}' if earlier else ''}")
        logging.error("%s is damaged (%s): renamed to %s", folder, text, aside.name)
