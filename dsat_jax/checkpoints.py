"""Checkpoints of a run through Orbax: the newest, to go on, and the best on validation, to use."""

import pathlib

import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from dsat_jax.state import TrainState

FOLDER = "checkpoints"
_METRIC = "validation_nme"


class Checkpoints:
    """The checkpoints in a run's folder.

    Attributes:
      path: the folder that holds them.
    """

    def __init__(self, workdir: pathlib.Path):
        self.path = workdir.resolve() / FOLDER
        # max_to_keep together with best_fn would delete the newest checkpoint, so the policy names both.
        keep = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(1),
                preservation_policy.BestN(
                    get_metric_fn=_negative_nme, n=1, keep_checkpoints_without_metrics=False
                ),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda metrics: metrics[_METRIC], best_mode="min", preservation_policy=keep
        )
        self._manager = ocp.CheckpointManager(epath.Path(self.path), options=options)

    def save(self, state: TrainState, validation_nme: float | None) -> None:
        """Saves a state in the background.

        Args:
          state: at its step.
          validation_nme: in percent, ranks the checkpoint; None for one that only serves to go on from.
        """
        # Orbax wants Python floats: a NumPy scalar fails one save later.
        metrics = None if validation_nme is None else {_METRIC: float(validation_nme)}
        self._manager.save(int(state.step), args=ocp.args.StandardSave(state), metrics=metrics)

    def newest_step(self) -> int | None:
        """The step of the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int:
        """The step of the best checkpoint.

        Raises:
          FileNotFoundError: if there is no checkpoint.
        """
        step = self._manager.best_step()
        if step is None:
            raise FileNotFoundError(
                f"{self.path} holds no checkpoint: the run has not reached its first evaluation"
            )
        return step

    def restore(self, step: int, template: TrainState) -> TrainState:
        """The state saved at a step, placed on this run's devices.

        Args:
          step: from `newest_step` or `best_step`.
          template: from `state.template`: the shapes, types and shardings to expect.
        """
        return self._manager.restore(step, args=ocp.args.StandardRestore(template))

    def close(self) -> None:
        """Waits until every save is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def _negative_nme(metrics: dict[str, float]) -> float:
    """BestN keeps the largest."""
    return -metrics[_METRIC]
