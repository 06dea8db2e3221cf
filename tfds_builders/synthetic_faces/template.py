"""The mean head in millimetres, and its variation in identity.

Head coordinates: x to the image's right, y down, z towards the viewer; the origin is between the eyes.
"Left" is the left of the image, as in `dsat_jax.schemes`. The proportions are those of textbook
anthropometry: outer eye corners 90 mm apart, cheekbones 142 mm, nasion to chin about 117 mm.
"""

import dataclasses

import numpy as np

from dsat_jax.schemes import WFLW_98

MIRROR = WFLW_98.mirror_permutation
NUM_CONTOUR = 33
BROW_LEFT, BROW_RIGHT = slice(33, 42), slice(42, 51)
NOSE = slice(51, 60)
EYE_LEFT, EYE_RIGHT = slice(60, 68), slice(68, 76)
LIPS, INNER_LIPS = slice(76, 96), slice(88, 96)
PUPILS = slice(96, 98)

# Left half and midline of all points but the contour: index -> (x, y, offset from the base surface).
_HALF = {
    33: (-56, -16, 0), 34: (-47, -24, 3), 35: (-36, -27, 4), 36: (-25, -26, 4), 37: (-14, -22.5, 3),
    38: (-14, -17, 2), 39: (-25, -20, 3), 40: (-36, -21.3, 3), 41: (-47, -19.5, 2),
    51: (0, 3, 6), 52: (0, 17, 12), 53: (0, 31, 19), 54: (0, 44.5, 26),
    55: (-16, 52, 6), 56: (-8, 56, 11), 57: (0, 57.5, 12),
    60: (-45, -0.5, -3), 61: (-39.5, -4.8, 0), 62: (-31.5, -6.3, 1), 63: (-23.5, -3.7, 0), 64: (-16.5, 3, -4),
    65: (-23, 4.6, -1), 66: (-31, 5.1, 0), 67: (-39, 3.6, -1),
    76: (-26, 76, -4), 77: (-15.5, 70.4, 2), 78: (-5.5, 66.6, 5), 79: (0, 68, 5), 87: (-17, 83.6, 2),
    86: (-8.5, 88.3, 4), 85: (0, 89.4, 5), 88: (-22.5, 76.1, -3), 89: (-11, 75.1, 3), 90: (0, 75.8, 5),
    95: (-11, 76.5, 3), 94: (0, 77, 4), 96: (-31, -1.2, 1),
}  # fmt: skip

# The right jaw line from the temple to the chin: (x, y, z).
_JAW = np.array([
    [70.5, -14, -56], [71.5, 4, -57], [70.5, 24, -56], [68, 44, -54], [63, 63, -49], [55, 80, -39],
    [43, 96, -26], [28, 108.5, -13], [13, 115.5, -5], [0, 117.5, -3],
])  # fmt: skip
# Half width and depth of the edge of the forehead above the jaw line: (x, y, z).
_FOREHEAD = np.array([[16, -99, -66], [41, -90, -60], [57, -72, -56], [66, -50, -55], [69.5, -30, -56]])
# The profile without nose and lips: (y, z).
_PROFILE = np.array([
    [-99, -56], [-90, -36], [-72, -14], [-50, -3], [-30, 3], [-18, 5], [0, 0], [20, 1], [40, 5], [55, 8],
    [68, 9], [80, 8], [93, 4], [105, 6], [112, 4], [117.5, -3],
])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shape:
    """Identity: deviations from the mean head in standard deviations, 0 is the mean. All are symmetric."""

    face_width: float = 0.0
    face_length: float = 0.0
    jaw_width: float = 0.0
    chin_width: float = 0.0
    chin_length: float = 0.0
    depth: float = 0.0
    eye_size: float = 0.0
    eye_height: float = 0.0
    eye_spacing: float = 0.0
    eye_tilt: float = 0.0
    brow_height: float = 0.0
    brow_thickness: float = 0.0
    brow_arch: float = 0.0
    brow_tilt: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 0.0
    nose_depth: float = 0.0
    mouth_width: float = 0.0
    mouth_height: float = 0.0
    upper_lip: float = 0.0
    lower_lip: float = 0.0


@dataclasses.dataclass
class Features:
    """The parts of a head before they are combined, all in millimetres.

    Attributes:
      points: float64 [98, 3], x, y and offset from the base surface; the contour (0-32) is not set.
      jaw: float64 [knots, 3], the right jaw line from the temple to the chin.
      forehead: float64 [knots, 3], the right edge of the forehead, downwards to the jaw line.
      profile: float64 [knots, 2], y and z of the midline without nose and lips, downwards.
    """

    points: np.ndarray
    jaw: np.ndarray
    forehead: np.ndarray
    profile: np.ndarray


def features_of(shape: Shape) -> Features:
    """The features of a head without expression; exactly mirror-symmetric."""
    features = Features(_mean_points(), _JAW.copy(), _FOREHEAD.copy(), _PROFILE.copy())
    _shape_skin(features.jaw, features.forehead, features.profile, shape)
    _shape_eyes(features.points, shape)
    _shape_brows(features.points, shape)
    _shape_nose_and_mouth(features.points, shape)
    return features


def _mean_points() -> np.ndarray:
    points = np.zeros((WFLW_98.num_points, 3))
    for index, position in _HALF.items():
        points[index] = position
        points[MIRROR[index]] = np.array(position) * (-1, 1, 1)
    return points


def _shape_skin(jaw: np.ndarray, forehead: np.ndarray, profile: np.ndarray, shape: Shape) -> None:
    gonion = np.exp(-(((jaw[:, 1] - 72) / 24) ** 2))
    chin = np.exp(-(((jaw[:, 1] - 110) / 14) ** 2))
    jaw[:, 0] *= 1 + 0.05 * shape.jaw_width * gonion + 0.10 * shape.chin_width * chin
    jaw[:, 1] += 3.0 * shape.chin_length * chin
    # A shallow head has a weak chin.
    profile[:, 1] += 2.0 * shape.depth * np.exp(-(((profile[:, 0] - 105) / 14) ** 2))
    profile[:, 0] += 3.0 * shape.chin_length * np.exp(-(((profile[:, 0] - 110) / 14) ** 2))
    for edge in (jaw, forehead):
        edge[:, 0] *= 1 + 0.04 * shape.face_width
        edge[:, 2] *= 1 + 0.05 * shape.depth


def _shape_eyes(features: np.ndarray, shape: Shape) -> None:
    for eye, pupil, side in ((EYE_LEFT, 96, -1), (EYE_RIGHT, 97, 1)):
        both = np.r_[eye, pupil]
        centre = np.array([31.0 * side, 0.0])
        size = 1 + 0.055 * shape.eye_size
        sizes = np.array([size, size * (1 + 0.12 * shape.eye_height)])
        features[both, :2] = centre + (features[both, :2] - centre) * sizes
        features[both, 1] -= 0.035 * shape.eye_tilt * (features[both, 0] - centre[0]) * side
        features[both, 0] += 1.1 * shape.eye_spacing * side


def _shape_brows(features: np.ndarray, shape: Shape) -> None:
    # Points of the upper and lower edge of a brow, from its outer tip to its inner end, counted within the brow.
    edges = (([0, 1, 2, 3, 4], [0, 8, 7, 6, 5]), ([4, 3, 2, 1, 0], [4, 5, 6, 7, 8]))
    for brow, side, (upper, lower) in zip((BROW_LEFT, BROW_RIGHT), (-1, 1), edges, strict=True):
        points = features[brow]
        middle = (points[upper, 1] + points[lower, 1]) / 2
        half = (points[lower, 1] - points[upper, 1]) / 2 * np.exp(0.22 * shape.brow_thickness)
        points[upper, 1], points[lower, 1] = middle - half, middle + half
        inwards = 31 - np.abs(points[:, 0])  # millimetres from the middle of the brow
        points[:, 1] += -2.0 * shape.brow_height + 0.05 * shape.brow_tilt * inwards
        points[:, 1] -= 1.3 * shape.brow_arch * (1 - (inwards / 17) ** 2)
        points[:, 0] += 1.1 * shape.eye_spacing * side
        features[brow] = points


def _shape_nose_and_mouth(features: np.ndarray, shape: Shape) -> None:
    nose, lips = features[NOSE], features[LIPS]
    nose[:, 1] = 3 + (nose[:, 1] - 3) * (1 + 0.05 * shape.nose_length)
    nose[:, 0] *= 1 + 0.10 * shape.nose_width
    nose[:, 2] *= 1 + 0.11 * shape.nose_depth
    middle = 76.3
    thick = np.where(lips[:, 1] < middle, np.exp(0.22 * shape.upper_lip), np.exp(0.22 * shape.lower_lip))
    lips[:12, 1] = middle + (lips[:12, 1] - middle) * thick[:12]  # the line between the lips stays thin
    lips[:, 0] *= 1 + 0.075 * shape.mouth_width
    lips[:, 1] += 1.5 * shape.mouth_height + 1.8 * shape.nose_length
    features[NOSE], features[LIPS] = nose, lips
