"""The expression of a face, which moves the features of a head."""

import dataclasses

import numpy as np

from tfds_builders.synthetic_faces.template import BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, LIPS, Features


@dataclasses.dataclass(frozen=True)
class Expression:
    """An expression; the default is neutral with open eyes.

    Attributes:
      jaw_open: opening of the jaw, 0 closed to 1 wide open.
      lips_part: distance of the lips over closed teeth, 0 closed to 1.
      pucker: strength with which the lips are pushed forward and together, 0 to 1.
      smile: movement of the left and the right mouth corner, -1 drawn down to 1 broad smile.
      brow_raise: height of the left and the right brow, -1 to 1.
      frown: strength with which the brows are drawn together and down, 0 to 1.
      eye_open: opening of the left and the right eye, 0 closed, 1 normal, 1.3 wide.
      gaze: direction of the gaze, right and down, -1 to 1 each.
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


def express(features: Features, expression: Expression) -> None:
    """Moves the features, in place."""
    _move_brows_and_eyes(features.points, expression)
    _move_mouth(features.points, expression)
    _open_jaw(features.points, features.jaw, features.profile, expression.jaw_open)


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
    # The pupil stays between the lids, where an annotator would estimate it.
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
    """Horizontal position of the points of the lips, [20]: 0 in the middle, 1 at the corner of their side."""
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
