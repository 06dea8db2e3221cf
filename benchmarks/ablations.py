"""The rows of the ablations: the fields that each of them changes."""

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Ablation:
    """Short trainings that each differ from a base in one respect.

    Attributes:
      variant: variant of `configs/w300.py`.
      base: fields of all rows, with values as on the command line.
      rows: fields that each row changes.
    """

    variant: str
    base: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, Any]]

    def overrides(self, row: str) -> dict[str, Any]:
        """Returns all fields that a row sets, including those of the base."""
        return {**self.base, **self.rows[row]}

    def values(self, row: str) -> dict[str, Any]:
        """Returns all fields that a row sets as values of a configuration: tuples instead of their texts."""
        return {
            name: ast.literal_eval(value) if isinstance(value, str) and value.startswith("(") else value
            for name, value in self.overrides(row).items()
        }


STEPS = 1_200
VALIDATION = "train[90%:]"
_COMMON = {
    "data.train": "train[:90%]",
    "data.validation": VALIDATION,
    "data.test": f"('{VALIDATION}',)",
    "train.steps": STEPS,
    "train.evaluate_every": STEPS,  # once, so that the measured faces do not choose the checkpoint
    "train.keep_decoded": True,
}
SMALL = Ablation(
    variant="small",
    # A tenth of the default weight, which results from these experiments.
    base={**_COMMON, "loss.coordinates": 1e-4},
    rows={
        "base": {},
        "no gate": {"model.gate": "none"},
        "released gate": {"model.gate": "released"},
        "no DSS": {"model.transformer_layers": 0},
        "no gate, no DSS": {"model.gate": "none", "model.transformer_layers": 0},
        "no boundaries": {"model.boundaries": False},
        "heatmap loss alone": {"loss.coordinates": 0.0, "evaluate.decoder": "log_quadratic"},
        "coordinates x 10": {"loss.coordinates": 1e-3},
        "coordinates x 100": {"loss.coordinates": 1e-2},
        "coordinates x 1000": {"loss.heatmap": 0.1, "loss.coordinates": 1e-2},
        "coordinates alone": {"loss.heatmap": 0.0, "loss.coordinates": 1e-2},
        "l1 on coordinates": {
            "loss.penalty": "l1",
            "loss.coordinates": 6e-4,
        },  # the slope of smooth-Wing at 0
        "sigma 1": {"loss.sigma": 1.0},
        "sigma 2.5": {"loss.sigma": 2.5},
        "rounded targets": {"loss.truncate": True},
        "3 DSS blocks": {"model.transformer_layers": 3},
        "2 stacks": {"model.stacks": 2},
        "width 48": {"model.width": 48},
        "a head of 64 channels": {"model.head_channels": 64},
        "64 pixels": {"input.size": 64},
        "128 pixels": {"input.size": 128},
        "heatmaps of full size": {"model.upsample": True, "loss.sigma": 3.0},
        "wide crop": {"input.enlarge": 0.2},
        "tight crop": {"input.enlarge": 0.05},
        "no colour, no occlusion": {
            "augment.gain": "(1.0, 1.0)",
            "augment.grey": 0.0,
            "augment.low_resolution": 0.0,
            "augment.occlusion": 0.0,
        },
        "small poses": {"augment.rotation": 5.0, "augment.scale": "(0.97, 1.05)", "augment.shift": 0.02},
        "large poses": {"augment.rotation": 30.0, "augment.scale": "(0.9, 1.2)", "augment.shift": 0.1},
        "no average": {"optimizer.ema": 0.0},
        "half the rate": {"optimizer.learning_rate": 3e-3},
        "twice the rate": {"optimizer.learning_rate": 1.2e-2},
        "batches of 8": {"train.batch_size": 8, "train.steps": 2 * STEPS, "train.evaluate_every": 2 * STEPS},
        "steps of the rate": {"optimizer.schedule": "step"},
    },
)
_ANNOTATED = (
    "('landmark_folder train 0.2 ~/tensorflow_datasets/scut', "
    "'landmark_folder train 0.15 ~/tensorflow_datasets/fgnet')"
)
_ANY_ROTATION = {"augment.any_rotation": 0.25}
_COVERS = {
    "augment.cover": 0.2,
    "augment.low_light": 0.1,
    "augment.over_exposure": 0.03,
    "augment.noise": 0.15,
    "augment.blur": 0.1,
    "augment.motion_blur": 0.1,
    "augment.small_faces": 0.15,
    "augment.jpeg": 0.2,
    "augment.low_resolution": 0.0,
}
_HARD_FACES = {**_ANY_ROTATION, **_COVERS, "data.mixture": "('synthetic_faces/turned train 0.3',)"}
HARD = Ablation(
    variant="small",
    base={
        **_COMMON,
        "loss.heatmap": 0.1,
        "loss.coordinates": 1e-2,
        "augment.rotation": 30.0,
        "augment.low_resolution": 0.2,
        "augment.low_resolution_share": 0.4,
        "augment.occlusion": 0.3,
    },
    rows={
        "base": {},
        "width 48": {"model.width": 48},
        "width 64": {"model.width": 64},
        "2 stacks": {"model.stacks": 2},
        "3 DSS blocks": {"model.transformer_layers": 3},
        "64 pixels": {"input.size": 64},
        "128 pixels": {"input.size": 128},
        "no average": {"optimizer.ema": 0.0},
        "steps of the rate": {"optimizer.schedule": "step"},
        "turned heads": {"augment.turn": 0.3},
        "any rotation": _ANY_ROTATION,
        "covers, light, blur, JPEG": _COVERS,
        "mixture": {"data.mixture": _ANNOTATED},
        "mixture, joint scheme": {"data.mixture": _ANNOTATED, "data.scheme": "", "data.tied": True},
        "drawn faces in the mixture": {"data.mixture": "('synthetic_faces/turned train 0.2',)"},
        "hard faces": _HARD_FACES,
        "hard faces, released gate": {**_HARD_FACES, "model.gate": "released"},
        "hard faces, no gate": {**_HARD_FACES, "model.gate": "none"},
    },
)
ABLATIONS = {"small": SMALL, "hard": HARD}
