"""The head behind a synthetic face: a 3-D template of the 98-point scheme, varied in identity and expression.

Head coordinates are millimetres: x to the picture's right, y down, z towards the viewer; the origin lies between the
eyes. The skin is a height field z(x, y) between the two jaw lines: a smooth base, spanned by the jaw line and the
profile, and bumps on it (nose, lips, eye sockets ...) that only the shading sees. Landmarks lie on the base plus an
offset of their own. "Left" is the left of the picture, as in `dsat_jax.schemes`. The proportions are those of textbook
anthropometry (outer eye corners 90 mm apart, cheekbones 142 mm, nasion to chin about 117 mm).
"""

import dataclasses

import numpy as np

from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces.curves import curve

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


@dataclasses.dataclass(frozen=True)
class Expression:
    """What the face does; the default is neutral with eyes open.

    Attributes:
      jaw_open: 0 closed to 1 wide open.
      lips_part: 0 closed to 1: lips open over closed teeth.
      pucker: 0 to 1, lips pushed forward and together.
      smile: of the left and the right mouth corner, -1 drawn down to 1 broad smile.
      brow_raise: of the left and the right brow, -1 to 1.
      frown: 0 to 1, brows drawn together and down.
      eye_open: of the left and the right eye, 0 closed, 1 normal, 1.3 wide.
      gaze: right and down, -1 to 1.
    """

    jaw_open: float = 0.0
    lips_part: float = 0.0
    pucker: float = 0.0
    smile: tuple[float, float] = (0.0, 0.0)
    brow_raise: tuple[float, float] = (0.0, 0.0)
    frown: float = 0.0
    eye_open: tuple[float, float] = (1.0, 1.0)
    gaze: tuple[float, float] = (0.0, 0.0)

    def mirrored(self) -> "Expression":
        """The same expression with its sides exchanged."""
        swap = {name: getattr(self, name)[::-1] for name in ("smile", "brow_raise", "eye_open")}
        return dataclasses.replace(self, **swap, gaze=(-self.gaze[0], self.gaze[1]))


@dataclasses.dataclass(frozen=True)
class Head:
    """One head in one expression.

    Attributes:
      points: float64 [98, 3] landmarks in millimetres; those of the contour lie on the jaw line.
      rows: float64 [rows, 4]: y, half width of the skin, z at its edge, z at the midline; y ascends.
    """

    points: np.ndarray
    rows: np.ndarray


def mean_features() -> np.ndarray:
    """float64 [98, 3]: x, y and offset from the base surface of the mean head; the contour (0-32) is still zero."""
    features = np.zeros((WFLW_98.num_points, 3))
    for index, position in _HALF.items():
        features[index] = position
        features[MIRROR[index]] = np.array(position) * (-1, 1, 1)
    return features


def build_head(shape: Shape, expression: Expression) -> Head:
    """Landmarks and skin of a head.

    Args:
      shape: who.
      expression: doing what.

    Returns:
      The head; exactly mirror-symmetric where the expression is.
    """
    features, jaw, forehead, profile = mean_features(), _JAW.copy(), _FOREHEAD.copy(), _PROFILE.copy()
    _shape_skin(jaw, forehead, profile, shape)
    _shape_eyes(features, shape)
    _shape_nose_and_mouth(features, shape)
    _move_brows_and_eyes(features, expression)
    _move_mouth(features, expression)
    _open_jaw(features, jaw, profile, expression.jaw_open)
    stretch = 1 + 0.045 * shape.face_length
    for y in (features[:, 1], jaw[:, 1], profile[:, 0]):
        y[y > 0] *= stretch  # above the eyes a long face is like a short one

    jaw = curve(jaw)
    rows = _rows(np.concatenate([curve(forehead, per_segment=4), jaw]), profile)
    points = features
    points[:, 2] += base_depth(rows, points[:, 0], points[:, 1])
    half = _resample(jaw, NUM_CONTOUR // 2 + 1)  # temple to chin, on the right
    points[16:33] = half[::-1]
    points[:16] = half[:-1] * (-1, 1, 1)
    return Head(points, rows)


def base_depth(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth z of the smooth skin.

    Args:
      rows: [rows, 4] of a `Head`.
      x: [...] millimetres.
      y: [...] millimetres.

    Returns:
      [...] millimetres: a super-ellipse in x from the edge to the midline; outside of the skin, the edge's depth.
    """
    width, edge, middle = (np.interp(y, rows[:, 0], rows[:, k]) for k in (1, 2, 3))
    across = np.minimum(np.abs(x) / np.maximum(width, 1e-6), 1.0)
    return edge + (middle - edge) * (1 - across**2.5) ** 0.6


def _shape_skin(jaw: np.ndarray, forehead: np.ndarray, profile: np.ndarray, shape: Shape) -> None:
    gonion = np.exp(-(((jaw[:, 1] - 72) / 24) ** 2))
    chin = np.exp(-(((jaw[:, 1] - 110) / 14) ** 2))
    jaw[:, 0] *= 1 + 0.05 * shape.jaw_width * gonion + 0.10 * shape.chin_width * chin
    jaw[:, 1] += 3.0 * shape.chin_length * chin
    profile[:, 1] += (
        2.0 * shape.depth * np.exp(-(((profile[:, 0] - 105) / 14) ** 2))
    )  # a weak or a strong chin
    profile[:, 0] += 3.0 * shape.chin_length * np.exp(-(((profile[:, 0] - 110) / 14) ** 2))
    for edge in (jaw, forehead):
        edge[:, 0] *= 1 + 0.04 * shape.face_width
        edge[:, 2] *= 1 + 0.05 * shape.depth


def _shape_eyes(features: np.ndarray, shape: Shape) -> None:
    for eye, pupil, brow, side in ((EYE_LEFT, 96, BROW_LEFT, -1), (EYE_RIGHT, 97, BROW_RIGHT, 1)):
        both = np.r_[eye, pupil]
        centre = np.array([31.0 * side, 0.0])
        size = 1 + 0.055 * shape.eye_size
        features[both, :2] = centre + (features[both, :2] - centre) * (
            size,
            size * (1 + 0.12 * shape.eye_height),
        )
        features[both, 1] -= 0.035 * shape.eye_tilt * (features[both, 0] - centre[0]) * side
        features[both, 0] += 1.1 * shape.eye_spacing * side
        features[brow, 0] += 1.1 * shape.eye_spacing * side
        upper, lower = np.arange(5), np.array([0, 8, 7, 6, 5])  # outer tip to inner end, on the left
        if side > 0:
            upper, lower = upper[::-1], np.array([4, 5, 6, 7, 8])
        points = features[brow]
        middle = (points[upper, 1] + points[lower, 1]) / 2
        half = (points[lower, 1] - points[upper, 1]) / 2 * np.exp(0.22 * shape.brow_thickness)
        points[upper, 1], points[lower, 1] = middle - half, middle + half
        inwards = 31 - np.abs(points[:, 0])  # millimetres from the middle of the brow
        points[:, 1] += -2.0 * shape.brow_height + 0.05 * shape.brow_tilt * inwards
        points[:, 1] -= 1.3 * shape.brow_arch * (1 - (inwards / 17) ** 2)
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


def _move_brows_and_eyes(features: np.ndarray, expression: Expression) -> None:
    for k, (eye, pupil, brow, side) in enumerate(
        ((EYE_LEFT, 96, BROW_LEFT, -1), (EYE_RIGHT, 97, BROW_RIGHT, 1))
    ):
        points = features[brow]
        inner = np.clip((50 - np.abs(points[:, 0])) / 36, 0, 1)  # 1 at the inner end
        points[:, 1] -= 6.0 * expression.brow_raise[k] * (0.6 + 0.4 * inner)
        points[:, 1] += 6.5 * expression.frown * inner
        points[:, 0] -= 3.5 * side * expression.frown * inner
        features[brow] = points
        _move_lids(
            features, eye, pupil, expression.eye_open[k], max(expression.smile[k], 0.0), expression.gaze
        )


def _move_lids(
    features: np.ndarray, eye: slice, pupil: int, open_: float, smile: float, gaze: tuple[float, float]
) -> None:
    points = features[eye]
    corners = points[[0, 4]]
    along = (points[:, 0] - corners[0, 0]) / (corners[1, 0] - corners[0, 0])
    chord = corners[0, 1] + along * (corners[1, 1] - corners[0, 1])
    height = points[:, 1] - chord
    upper = np.array([0, 1, 1, 1, 0, 0, 0, 0], bool)
    lower = np.array([0, 0, 0, 0, 0, 1, 1, 1], bool)
    lid = 4 * along * (1 - along)
    lifted = height - 1.8 * smile * lid * lower  # cheeks push the lower lid up
    meet = 2.6 * lid  # closed lids meet near the lower one
    height = np.where(
        upper, meet + (height - meet) * open_, np.where(lower, np.maximum(lifted, meet), height)
    )
    height = np.where(upper, np.minimum(height, np.where(lower, 0, meet)), height)
    points[:, 1] = chord + height
    features[eye] = points
    centre = features[pupil, :2] + np.array([6.5, 2.2]) * gaze
    # The pupil stays between the lids, as where an annotator guesses it.
    x = np.clip(centre[0], points[:, 0].min() + 6, points[:, 0].max() - 6)
    order = np.argsort(points[:5, 0])
    top = np.interp(x, points[:5, 0][order], points[:5, 1][order])
    ring = points[[4, 5, 6, 7, 0]]
    order = np.argsort(ring[:, 0])
    bottom = np.interp(x, ring[order, 0], ring[order, 1])
    features[pupil, :2] = x, np.clip(centre[1], top + 0.4 * (bottom - top), bottom - 0.35 * (bottom - top))


def _move_mouth(features: np.ndarray, expression: Expression) -> None:
    lips = features[LIPS]
    middle_y = lips[[0, 6], 1].mean()
    width = np.abs(lips[6, 0])
    for k, side in enumerate((-1, 1)):
        across = np.clip(lips[:, 0] * side / width, 0, 1)  # 0 at the middle, 1 at this side's corner
        pull = expression.smile[k]
        lips[:, 0] += side * (5.5 if pull > 0 else 1.0) * pull * across
        lips[:, 1] -= (5.5 if pull > 0 else 4.5) * pull * across**2
        lips[:, 2] -= 4.0 * max(pull, 0.0) * across
    smile = max(sum(expression.smile) / 2, 0.0)
    lips[:, 1] = middle_y + (lips[:, 1] - middle_y) * (1 - 0.12 * smile)  # a smile thins the lips
    lips[:, 0] *= 1 - 0.32 * expression.pucker
    lips[:, 1] = middle_y + (lips[:, 1] - middle_y) * (1 + 0.25 * expression.pucker)
    lips[:, 2] += 5.0 * expression.pucker
    bow = 1 - _across_mouth(lips) ** 2
    up, down = np.array([1, 2, 3, 4, 5, 13, 14, 15]), np.array([7, 8, 9, 10, 11, 17, 18, 19])
    lips[up, 1] -= (3.4 * expression.lips_part + 1.5 * expression.jaw_open) * bow[up]
    lips[down, 1] += 3.6 * expression.lips_part * bow[down]
    features[LIPS] = lips


def _across_mouth(lips: np.ndarray) -> np.ndarray:
    """Where the points of the lips lie, [20]: 0 in the middle, 1 at the corner of their side."""
    x = lips[:, 0]
    return np.minimum(np.abs(x / np.where(x < 0, lips[0, 0], lips[6, 0])), 1)


def _open_jaw(features: np.ndarray, jaw: np.ndarray, profile: np.ndarray, amount: float) -> None:
    lips = features[LIPS]
    bow = np.sqrt(1 - _across_mouth(lips) ** 2)
    drop = 21.0 * amount
    lower = np.array([7, 8, 9, 10, 11, 17, 18, 19])
    lips[lower, 1] += drop * bow[lower]
    lips[[0, 6, 12, 16], 1] += 0.36 * drop
    lips[[13, 15, 17, 19], 0] *= 1 + 0.22 * amount  # from a slit to an oval
    lips[[1, 5, 7, 11], 0] *= 1 + 0.1 * amount
    lips[:, 0] *= 1 - 0.12 * amount
    features[LIPS] = lips
    jaw[:, 1] += drop * _ramp(jaw[:, 1], 35, 100)
    jaw[:, 0] *= 1 - 0.05 * amount * _ramp(jaw[:, 1], 35, 100)
    profile[:, 0] += drop * _ramp(profile[:, 0], 66, 90)


def _ramp(value: np.ndarray, start: float, stop: float) -> np.ndarray:
    """A smooth step from 0 to 1."""
    t = np.clip((value - start) / (stop - start), 0, 1)
    return t * t * (3 - 2 * t)


def _resample(curve: np.ndarray, count: int) -> np.ndarray:
    """`count` points at equal distances along the front view of a curve [points, 3]."""
    length = np.r_[0, np.cumsum(np.hypot(*np.diff(curve[:, :2], axis=0).T))]
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, curve[:, k]) for k in range(3)], axis=-1)


def _rows(edge: np.ndarray, profile: np.ndarray) -> np.ndarray:
    middle = curve(profile)
    y = edge[:, 1]
    return np.stack([y, edge[:, 0], edge[:, 2], np.interp(y, middle[:, 0], middle[:, 1])], axis=-1)
