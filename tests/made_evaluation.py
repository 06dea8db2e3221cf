"""Small artificial evaluations, for the tests of reports and tables."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.config import default
from dsat_jax.evaluation import split_result
from dsat_jax.evaluation.report import Evaluation
from dsat_jax.evaluation.split_result import SplitResult
from dsat_jax.schemes import W300_68

POINTS = W300_68.num_points


def made_result(nme: np.ndarray, **fields: object) -> SplitResult:
    """Returns a result with these NMEs; other fields are empty by default."""
    count = len(nme)
    empty = np.zeros((count, 0))
    defaults = {
        "attributes": {},
        "point_groups": {},
        "sample": {},
        "record": np.arange(count),
        "predicted": np.zeros((count, 0, 2)),
        "labels": np.zeros((count, 0, 2)),
        "errors": empty,
        "boxes": np.zeros((count, 4)),
        "occluded": empty > 0,
        "confidence": None,
        "open_channels": None,
        "seconds_per_face": math.nan,
        "seconds": 1.0,
    }
    return SplitResult(nme, **(defaults | fields))


def drawn_face(rng: np.random.Generator) -> np.ndarray:
    """Returns landmarks [68, 2] of a face in an image of 100 x 100 pixels, with a small random rotation and shift."""
    contour = np.linspace(np.pi, 0, 17)
    points = np.concatenate(
        [
            np.stack([50 + 36 * np.cos(contour), 40 + 44 * np.sin(contour)], axis=1),
            rng.uniform((25, 25), (75, 75), (POINTS - 17, 2)),
        ]
    )
    points[[36, 45]] = (30, 40), (70, 40)
    pose = geometry.jitter_matrix(100, rng.uniform(-10, 10), 1.0, rng.uniform(-3, 3, 2), mirror=False)
    return geometry.transform_points(pose, points)


def made_record(index: int, labels: np.ndarray) -> dict[str, object]:
    """Returns a record with a grey image of 100 x 100 pixels, half the scale of its original image."""
    _, encoded = cv2.imencode(".jpg", np.full((100, 100, 3), 90, np.uint8))
    return {
        "image": encoded.tobytes(),
        "box": geometry.box_of_points(labels).astype(np.float32),
        "to_original": np.array([[2.0, 0.0, 10.0], [0.0, 2.0, 20.0]]),
        "name": f"folder/<{index}>.jpg".encode(),
        "face": np.int32(0),
    }


def made_evaluation(
    faces: int = 40,
    gate: str | None = "learned",
    confidence: bool = True,
    attributes: Sequence[str] = ("pose", "blur"),
    overlapping: bool = False,
) -> Evaluation:
    """Returns the evaluation of a run on 68 landmarks; errors grow and confidences fall from face to face.

    Args:
      faces: number of faces of the split `test`.
      gate: kind of gate; None for a model without one.
      confidence: whether the model has a confidence.
      attributes: attributes of the dataset.
      overlapping: whether there is a second split, `part`, with the second half of the same faces.
    """
    rng = np.random.default_rng(0)
    config = default()
    config.name = "made"
    config.data.update(dataset="w300", scheme="w300_68")
    config.model.gate = gate or "none"
    faces_labels = np.stack([drawn_face(rng) for _ in range(faces)])
    records = [made_record(i, labels) for i, labels in enumerate(faces_labels)]
    labels = np.stack(
        [
            geometry.transform_points(r["to_original"], points)
            for r, points in zip(records, faces_labels, strict=True)
        ]
    )
    shift = np.linspace(1, 8, faces)[:, None] * rng.uniform(0.5, 1.5, (faces, POINTS))
    errors = shift / 80  # the inter-ocular distance is 40 pixels of the record, 80 original pixels
    result = made_result(
        errors.mean(axis=1),
        attributes={name: rng.random(faces) < 0.3 for name in attributes},
        predicted=labels + np.stack([shift, np.zeros_like(shift)], axis=-1),
        labels=labels,
        errors=errors,
        occluded=np.zeros((faces, POINTS), bool),
        confidence=(1 / (1 + errors)).astype(np.float32) if confidence else None,
        open_channels=None if gate is None else rng.random((faces, 16)) < np.linspace(0.1, 1, 16),
        seconds_per_face=0.004,
        seconds=0.5,
    )
    results, sources = {"test": result}, {"test": records}
    if overlapping:
        half = faces // 2
        part = split_result.joined([result], [np.arange(half, faces)])
        results["part"] = made_result(
            part.nme,
            **{
                name: getattr(part, name)
                for name in (
                    "attributes",
                    "predicted",
                    "labels",
                    "errors",
                    "occluded",
                    "confidence",
                    "open_channels",
                )
            },
        )
        sources["part"] = records[half:]
    summaries = {}
    for split, measured in results.items():
        summaries |= split_result.summarise(split, measured, config.evaluate.threshold)
    names = {split: [r["name"].decode() for r in source] for split, source in sources.items()}
    return Evaluation(config, results, sources, summaries, names, 123_456, "CPU with 2 cores")
