"""Results of a trained network: landmarks of a batch of crops, and the faces of an image."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import eye_openness, head_pose
from dsat_jax.inference.eye_openness import EyeAspectRatio
from dsat_jax.inference.head_pose import HeadPose
from dsat_jax.schemes import Scheme


class Landmarks(NamedTuple):
    """Landmarks of a batch of crops.

    Attributes:
      points: float32 [batch, points, 2], input pixels.
      confidence: float32 [batch, points], peak values of the heatmaps; None for a model without heatmaps.
      gates: float32 [batch, channels], above 0 where a channel is open; None for a model without a gate.
    """

    points: jax.Array
    confidence: jax.Array | None
    gates: jax.Array | None


CropForward = Callable[
    [np.ndarray, bool], Landmarks
]  # from crops, and whether to average with their mirror images


@dataclasses.dataclass(frozen=True)
class Face:
    """A face of an image.

    Attributes:
      box: float64 [4] x_min, y_min, x_max, y_max around the expected landmarks, image pixels, turned by `roll` about
        its centre.
      landmarks: float64 [points, 2], pixels of the image as viewers show it, with the EXIF orientation applied.
      confidence: mean peak value of the heatmaps over the landmarks, comparable only within a network; it tells faces
        from other things, and good from bad predictions of a face. None for a model without heatmaps.
      open_channels: bool [channels], true for the channels that the gate opens; None for a model without a gate.
      scheme: scheme of the landmarks.
      roll: angle of the box in radians, clockwise in the image; 0 for a given box.
      score: score of the face detector, from 0 to 1; None for a given box, or a detector without scores.
      doubtful: whether the confidence is less than the network has for faces, see `zoo.LEAST_CONFIDENCE`: what is in
        the box may not be a face. False for networks without that limit.
    """

    box: np.ndarray
    landmarks: np.ndarray
    confidence: float | None
    open_channels: np.ndarray | None
    scheme: Scheme
    roll: float = 0.0
    score: float | None = None
    doubtful: bool = False

    @property
    def bounds(self) -> np.ndarray:
        """The box without its roll: float64 [4], sides along the image."""
        return geometry.box_of_rolled(self.box, self.roll)

    @property
    def five_points(self) -> np.ndarray:
        """The five points of face alignment, float64 [5, 2] in image pixels, see `dsat_jax.five_points`.

        Raises:
          UserError: if the scheme does not define them.
        """
        points = five_points.of_landmarks(self.landmarks, self.scheme)
        if points is None:
            raise UserError(
                f"the scheme {self.scheme.name!r} does not define the tip of the nose and the corners of the mouth, "
                "expected a built-in scheme for the five points"
            )
        return points

    @property
    def eye_aspect_ratio(self) -> EyeAspectRatio:
        """Openness of the left and the right eye of the image, see `eye_openness.eye_aspect_ratio`.

        Raises:
          UserError: if the scheme does not define the lids, or the corners of an eye coincide.
        """
        return eye_openness.eye_aspect_ratio(self.landmarks, self.scheme)

    def head_pose(
        self, image_shape: Sequence[int] | None = None, camera: np.ndarray | None = None
    ) -> HeadPose:
        """Returns yaw, pitch and roll of the head, with the arguments and errors of `head_pose.estimate`."""
        return head_pose.estimate(self.landmarks, self.scheme, image_shape, camera)
