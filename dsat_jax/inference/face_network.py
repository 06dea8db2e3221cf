"""A trained network as a function from crops to faces: batches, and the two looks at each face."""

import dataclasses
from collections.abc import Collection, Sequence

import jax
import numpy as np

from dsat_jax import geometry
from dsat_jax.inference import face_crops, refinement
from dsat_jax.inference.face_crops import FACES_AT_ONCE, FaceCrop
from dsat_jax.inference.landmarks import CropForward, Face
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp


@dataclasses.dataclass
class FaceNetwork:
    """A network that predicts faces in crops.

    Attributes:
      forward: function from crops, uint8 [batch, size, size, 3], and whether to average with the mirrored crops, to
        `Landmarks` in input pixels.
      scheme: scheme of the landmarks.
      size: side of the network's input in pixels.
      enlarge: margin of the crop around a face box, as a share of the box.
      devices: number of devices of the forward pass; a batch is a multiple of it.
      least_confidence: confidence below which a face is marked as doubtful; None marks none.
    """

    forward: CropForward
    scheme: Scheme
    size: int
    enlarge: float
    devices: int = 1
    least_confidence: float | None = None

    def __post_init__(self) -> None:
        """Starts without a compiled program."""
        # Sizes of batches, and whether they are averaged with mirrored crops.
        self._compiled: set[tuple[int, bool]] = set()

    def look(self, crops: Sequence[FaceCrop], mirror: bool) -> list[Face]:
        """Returns the face in each crop.

        Args:
          crops: crops of any images.
          mirror: whether to average with the mirrored crops.
        """
        return self._in_batches(crops, mirror, None)

    def look_again(self, crops: Sequence[FaceCrop], faces: Sequence[Face], mirror: bool) -> list[Face]:
        """Returns the faces after a second look, in the crop around their landmarks, at those that need it.

        Args:
          crops: crops of the first look.
          faces: result of the first look, with the same `mirror`.
          mirror: whether to average with the mirrored crops.
        """
        closer = [face_crops.refined(crop, face) for crop, face in zip(crops, faces, strict=True)]
        rows = [row for row, crop in enumerate(crops) if refinement.is_needed(crop, closer[row])]
        # To compile a program for fewer faces takes longer than to run that of the first look.
        sizes = [size for size, mirrored in self._compiled.copy() if mirrored == mirror]
        again = self._in_batches([closer[row] for row in rows], mirror, sizes)
        merged = list(faces)
        for row, second in zip(rows, again, strict=True):
            merged[row] = refinement.merged(faces[row], second)
        return merged

    def _in_batches(
        self, crops: Sequence[FaceCrop], mirror: bool, sizes: Collection[int] | None
    ) -> list[Face]:
        """Returns the face in each crop, from batches of the given sizes; of any size if they are None."""
        faces = []
        for start in range(0, len(crops), FACES_AT_ONCE):
            batch = crops[start : start + FACES_AT_ONCE]
            rows = face_crops.batch_size(len(batch), self.devices)
            if sizes is not None:
                rows = min(size for size in sizes if size >= rows)
            faces += self._batch(batch, rows, mirror)
        return faces

    def _batch(self, crops: Sequence[FaceCrop], rows: int, mirror: bool) -> list[Face]:
        """Returns the face in each crop, from one batch of `rows` crops of which the last ones are not used."""
        matrices = [geometry.crop_matrix(crop.box, self.size, self.enlarge, crop.roll) for crop in crops]
        pixels = np.zeros((rows, self.size, self.size, 3), np.uint8)
        for row, (crop, matrix) in enumerate(zip(crops, matrices, strict=True)):
            pixels[row] = warp(crop.image, matrix, self.size)
        self._compiled.add((rows, mirror))
        # `jax.device_get` starts a copy of each array, which takes longer than a copy of these small ones.
        landmarks = jax.tree.map(np.asarray, self.forward(pixels, mirror))
        confidence = None if landmarks.confidence is None else landmarks.confidence.mean(axis=1).tolist()
        least = self.least_confidence
        return [
            Face(
                box=crop.box,
                landmarks=geometry.transform_points(
                    geometry.invert(matrix), landmarks.points[row].astype(np.float64)
                ),
                confidence=None if confidence is None else confidence[row],
                open_channels=None if landmarks.gates is None else landmarks.gates[row] > 0,
                scheme=self.scheme,
                roll=crop.roll,
                score=crop.score,
                doubtful=confidence is not None and least is not None and confidence[row] < least,
            )
            for row, (crop, matrix) in enumerate(zip(crops, matrices, strict=True))
        ]
