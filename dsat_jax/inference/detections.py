"""The result of a face detector, and the interface of detectors: a function from an image to `Detections`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Detections:
    """Faces that a detector has found in an image.

    Attributes:
      boxes: float64 [faces, 4] x_min, y_min, x_max, y_max around the expected landmarks, image pixels. Each box is
        turned by the roll of its face, about its centre.
      rolls: float64 [faces], angles of the faces in radians, clockwise in the image; None if all are upright.
      scores: float64 [faces], from 0 to 1; None for a detector without scores.
      points: float64 [faces, 5, 2], the points of `dsat_jax.five_points`; None for a detector without points.
      smallest: width in image pixels of the smallest face that the detector looked for; None if it is unknown.
    """

    boxes: np.ndarray
    rolls: np.ndarray | None = None
    scores: np.ndarray | None = None
    points: np.ndarray | None = None
    smallest: float | None = None

    def __post_init__(self) -> None:
        """Makes float64 arrays of all fields.

        Raises:
          UserError: if a field has another shape.
        """
        shapes = {"boxes": (4,), "rolls": (), "scores": (), "points": (5, 2)}
        count = len(np.atleast_1d(self.boxes))
        for name, shape in shapes.items():
            if getattr(self, name) is None and name != "boxes":
                continue
            values = np.asarray(getattr(self, name), np.float64)
            if values.shape != (count, *shape):
                expected = ["faces", *shape]
                raise UserError(
                    f"detections: {name} have the shape {list(values.shape)} for {count} faces, "
                    f"expected [{', '.join(map(str, expected))}]"
                )
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def angles(self) -> np.ndarray:
        """The rolls, zeros if the detector has none: float64 [faces]."""
        return np.zeros(len(self)) if self.rolls is None else self.rolls

    @property
    def bounds(self) -> np.ndarray:
        """The boxes without their rolls: float64 [faces, 4], sides along the image."""
        pairs = zip(self.boxes, self.angles, strict=True)
        return np.array([geometry.box_of_rolled(box, roll) for box, roll in pairs]).reshape(-1, 4)

    def chosen(self, order: Sequence[int] | np.ndarray) -> Detections:
        """Returns the faces of the given indices, in that order."""
        order = np.asarray(order, np.int64)

        def of(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[order]

        return Detections(self.boxes[order], of(self.rolls), of(self.scores), of(self.points), self.smallest)

    def left_to_right(self) -> Detections:
        """Returns the faces ordered by the centres of their boxes, from the left of the image to the right."""
        return self.chosen(np.argsort(geometry.box_centre(self.boxes)[:, 0], kind="stable"))

    def largest_first(self) -> Detections:
        """Returns the faces ordered by the areas of their boxes."""
        areas = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)
        return self.chosen(np.argsort(-areas, kind="stable"))


FindFaces = Callable[[np.ndarray], Detections]
NONE = Detections(np.empty((0, 4)), np.empty(0), np.empty(0), np.empty((0, 5, 2)))


def from_points(points: np.ndarray, scores: np.ndarray) -> Detections:
    """Returns detections whose boxes and rolls are estimated from the five points of each face.

    Args:
      points: [faces, 5, 2], image pixels.
      scores: [faces], from 0 to 1.
    """
    if not len(points):
        return NONE
    points = np.asarray(points, np.float64)
    rolls = np.array([five_points.roll_of(each) for each in points])
    boxes = np.array([five_points.landmark_box(each, roll) for each, roll in zip(points, rolls, strict=True)])
    return Detections(boxes, rolls, np.asarray(scores, np.float64), points)
