"""Openness of the eyes from the landmarks of the lids."""

from typing import NamedTuple

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.schemes import Scheme


class EyeAspectRatio(NamedTuple):
    """Distance of the lids, divided by the distance of the corners, of both eyes of a face.

    Attributes:
      left: ratio of the eye on the left side of the image.
      right: ratio of the eye on the right side of the image.
    """

    left: float
    right: float


def eye_aspect_ratio(landmarks: np.ndarray, scheme: Scheme) -> EyeAspectRatio:
    """Returns the eye aspect ratio of both eyes: about 0.3 if open, near 0 if closed.

    The ratio is the mean distance of opposite landmarks of the upper and the lower lid, divided by the distance of the
    eye's corners (Soukupova and Cech, Real-time eye blink detection using facial landmarks, CVWW 2016). Schemes place
    the landmarks of the lids differently, so that ratios are comparable within a scheme only.

    Args:
      landmarks: landmarks [points, 2].
      scheme: scheme of the landmarks.

    Raises:
      UserError: if the scheme does not define the lids, or the corners of an eye coincide.
    """
    if scheme.eyelids is None:
        raise UserError(
            f"the scheme {scheme.name!r} does not define the lids of the eyes, expected w300_68, wflw_98, jd_106 or "
            "cofw_29 for the eye aspect ratio"
        )
    ratios = []
    for side, eye in zip(EyeAspectRatio._fields, scheme.eyelids, strict=True):
        width = _mean_distance(landmarks, (eye.corners,))
        if width == 0:
            raise UserError(f"the corners of the {side} eye coincide, expected different positions")
        ratios.append(float(_mean_distance(landmarks, eye.lids) / width))
    return EyeAspectRatio(*ratios)


def _mean_distance(landmarks: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.floating:
    """Returns the mean distance of pairs of landmarks."""
    ends = np.asarray(landmarks, np.float64)[np.array(pairs)]
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).mean()
