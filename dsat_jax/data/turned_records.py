"""Training records whose faces are turned in depth, with the heads fitted to them kept from one epoch to the next."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from dsat_jax import geometry
from dsat_jax.data import turned_faces
from dsat_jax.data.turned_faces import FittedHead
from dsat_jax.errors import UserError
from dsat_jax.records import OCCLUDED, UNKNOWN
from dsat_jax.schemes import Part, Scheme, parts_of


@dataclasses.dataclass
class RecordTurner:
    """Turns the faces of records; several threads may use it.

    Attributes:
      scheme: scheme of the records' landmarks.
      augment: `config.augment`.

    Raises:
      UserError: if no scheme of the records can be turned.
    """

    scheme: Scheme
    augment: ConfigDict
    _heads: dict[int, FittedHead] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def __post_init__(self):
        if not any(turned_faces.applies_to(part.scheme) for part in parts_of(self.scheme)):
            raise UserError(
                f"config.augment.turn is {self.augment.turn}, expected 0 for the landmarks of {self.scheme.name}: only "
                "faces with those of w300_68 or wflw_98 can be turned"
            )

    def __call__(
        self, index: int, record: Mapping[str, np.ndarray], random: np.random.Generator
    ) -> Mapping[str, np.ndarray]:
        """Returns a record with its face turned further away from the camera.

        A record keeps its face if no head can be fitted to it: its known landmarks must be all those of one of the
        schemes that `turned_faces.applies_to` accepts.

        Args:
          index: number of the record.
          record: record with a decoded image.
          random: source of the random draws.
        """
        part = self._part(record)
        if part is None:
            return record
        points = np.array(part.points)
        head = self._heads.get(index)
        if head is None:
            landmarks = record["landmarks"][points].astype(np.float64)
            head = turned_faces.fit(landmarks, part.scheme, record["image"].shape)
            self._heads[index] = head
        yaw, pitch = turned_faces.sample_turn(head, random, self.augment.turn_yaw, self.augment.turn_pitch)
        turned = turned_faces.turn(record["image"], head, yaw, pitch)
        landmarks, visibility = record["landmarks"].copy(), record["visibility"].copy()
        landmarks[points] = turned.landmarks
        visibility[points[turned.hidden]] = OCCLUDED
        # The box keeps its distances from the landmarks.
        before, after = (geometry.box_of_points(each[points]) for each in (record["landmarks"], landmarks))
        return {
            **record,
            "image": turned.image,
            "landmarks": landmarks,
            "visibility": visibility,
            "box": record["box"] + after - before,
        }

    def _part(self, record: Mapping[str, np.ndarray]) -> Part | None:
        """Returns the scheme of a record's landmarks, if a head can be fitted to them."""
        known = record["visibility"] != UNKNOWN
        for part in parts_of(self.scheme):
            points = list(part.points)
            if (
                turned_faces.applies_to(part.scheme)
                and known[points].all()
                and known.sum() == len(points)
                and np.ptp(record["landmarks"][points], axis=0).all()
            ):
                return part
        return None
