"""Pose and shape of the 3-D head that fit the landmarks of a face, by regularised least squares."""

import dataclasses
import functools

import numpy as np

from dsat_jax.data.turned_faces import template
from dsat_jax.schemes import WFLW_98, Scheme, conversion_indices

_POSE_STEPS, _ALL_STEPS = 5, 5
# Standard deviations of landmarks about the fitted head in millimetres: inside the face, and on the contour, whose
# points slide along the jaw and depend on the annotator.
_INSIDE_STD, _CONTOUR_STD = 2.5, 8.0
_SLIDE = 14  # rows of the contour by which a landmark may be away from its position in the scheme
# Positions in a row of skin where its outline is searched.
_ACROSS = np.sin(np.deg2rad(np.linspace(16, 90, 26)))


@dataclasses.dataclass(frozen=True)
class FittedPose:
    """A head that was fitted to landmarks, seen from far away (weak perspective).

    Attributes:
      rotation: float64 [3, 3], head to camera coordinates.
      scale: pixels per millimetre.
      centre: float64 [2], pixels of the pivot.
      parts: head in millimetres.
      contour_rows: int [contour landmarks], position of each of them in `parts.contour`.
    """

    rotation: np.ndarray
    scale: float
    centre: np.ndarray
    parts: template.Parts
    contour_rows: np.ndarray

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees: nose to the right side of the image, nose up, turned clockwise."""
        return angles(self.rotation)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns pixels and depth, in pixels relative to the pivot, [..., 3] of points [..., 3] relative to it."""
        placed = self.scale * points @ self.rotation.T
        placed[..., :2] += self.centre
        return placed

    def rotated(self, vertices: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Returns vertices, pixels and depth [..., 3], in the pose of another rotation about the pivot, float64."""
        pivot = np.r_[self.centre, 0]
        return (vertices - pivot) @ (rotation @ self.rotation.T).T + pivot


def angles(rotation: np.ndarray) -> tuple[float, float, float]:
    """Returns yaw, pitch and roll of a rotation [3, 3] in degrees, see `FittedPose.angles`."""
    yaw = np.arctan2(-rotation[2, 0], rotation[2, 2])
    pitch = np.arcsin(np.clip(rotation[2, 1], -1, 1))
    roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
    return tuple(np.rad2deg([yaw, pitch, roll]).tolist())


def rotation_of(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Returns the rotation [3, 3] of angles in degrees, the inverse of `angles`."""
    # A positive pitch of the builder lowers the nose.
    return template.Pose(yaw=yaw, pitch=-pitch, roll=roll).rotation


@functools.cache
def wflw_points(scheme: Scheme) -> np.ndarray:
    """Returns the landmark of WFLW for each landmark of a scheme, int32 [points]."""
    return conversion_indices(WFLW_98, scheme)


def num_contour(scheme: Scheme) -> int:
    """Returns the number of contour landmarks of a scheme, its first ones."""
    return int((wflw_points(scheme) < template.NUM_CONTOUR).sum())


def fit_pose(landmarks: np.ndarray, scheme: Scheme) -> FittedPose:
    """Fits the 3-D head to the landmarks of a face.

    Args:
      landmarks: landmarks [points, 2] in pixels.
      scheme: scheme of the landmarks, `w300_68` or `wflw_98`.
    """
    observed = np.asarray(landmarks, np.float64)
    modes, weights = _basis(scheme)
    count = num_contour(scheme)
    state = _start(observed[count:], template.mean_head().points[wflw_points(scheme)][count:])
    nominal = np.round(np.linspace(0, template.CONTOUR_ROWS - 1, count)).astype(int)
    at, coefficients = nominal, np.zeros(len(modes))
    for step in range(_POSE_STEPS + _ALL_STEPS):
        parts = template.mean_head().moved(template.head_modes(), coefficients)
        head = FittedPose(*state, parts, at)
        if step >= _POSE_STEPS:
            at = _nearest_rows(head, observed[:count], nominal)
        points = parts.points[wflw_points(scheme)]
        on_row, across = outline(parts.contour[at], template.CONTOUR_SIDES[at], head.rotation)
        points[:count] = on_row
        modes[:, :count] = _contour_modes(at, across)
        state, coefficients = _step(
            state, coefficients, observed, points, modes if step >= _POSE_STEPS else None, weights
        )
    parts = template.mean_head().moved(template.head_modes(), coefficients)
    head = FittedPose(*state, parts, at)
    return dataclasses.replace(head, contour_rows=_nearest_rows(head, observed[:count], nominal))


def outline(rows: np.ndarray, sides: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the outermost point of each row of skin, as seen in a pose.

    Args:
      rows: [rows, 4], see `Head.rows`.
      sides: [rows], -1 for the left, 1 for the right end of the row.
      rotation: float64 [3, 3], head to camera coordinates.

    Returns:
      Points [rows, 3] relative to the pivot in millimetres, and positions on the row, [rows]: 1 is the edge, 0 the
      midline.
    """
    points = template.skin_points(rows, _ACROSS) - template.PIVOT
    points[..., 0] *= sides[:, None]
    roll = np.deg2rad(angles(rotation)[2])
    to_right = np.array([np.cos(roll), np.sin(roll), 0]) @ rotation
    outermost = (sides[:, None] * (points @ to_right)).argmax(axis=1)
    return points[np.arange(len(rows)), outermost], _ACROSS[outermost]


def _basis(scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Returns the modes of the landmarks, [modes, points, 3], and the square roots of their weights, [points]."""
    indices = wflw_points(scheme)
    weights = np.where(indices < template.NUM_CONTOUR, 1 / _CONTOUR_STD, 1 / _INSIDE_STD)
    # The errors of neighbouring landmarks are correlated: 98 count as much as 68.
    return template.head_modes().points[:, indices], weights * np.sqrt(68 / scheme.num_points)


@functools.cache
def _mode_rows() -> np.ndarray:
    return np.moveaxis(template.head_modes().contour, 0, -1)


def _contour_modes(at: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Returns the modes of points on rows of the contour, [modes, points, 3], for fixed positions in the row."""
    y, width, edge, middle = np.moveaxis(_mode_rows()[at], 1, 0)  # each [points, modes]
    raised = ((1 - across**2.5) ** 0.6)[:, None]
    x = (template.CONTOUR_SIDES[at] * across)[:, None] * width
    return np.stack([x, y, edge + (middle - edge) * raised], axis=-1).swapaxes(0, 1)


def _nearest_rows(head: FittedPose, landmarks: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """Returns the row of the contour whose outline is nearest to each contour landmark, int [landmarks]."""
    points, _ = outline(head.parts.contour, template.CONTOUR_SIDES, head.rotation)
    distance = np.linalg.norm(head.place(points)[None, :, :2] - landmarks[:, None], axis=-1)
    away = np.abs(np.arange(template.CONTOUR_ROWS) - nominal[:, None])
    allowed = np.where(nominal == template.CONTOUR_ROWS // 2, 0, _SLIDE)  # the chin is a position of its own
    return np.where(away > allowed[:, None], np.inf, distance).argmin(axis=1)


def _start(observed: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Returns rotation, scale and centre of the similarity from a frontal head to the landmarks inside the face."""
    target, source = observed - observed.mean(axis=0), points[:, :2] - points[:, :2].mean(axis=0)
    a = (source * target).sum()
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
    scale = np.sqrt((target**2).sum() / (source**2).sum())
    rotation = rotation_of(0, 0, np.rad2deg(np.arctan2(b, a)))
    return rotation, scale, observed.mean(axis=0) - scale * (points @ rotation.T)[:, :2].mean(axis=0)


def _step(
    state: tuple[np.ndarray, float, np.ndarray],
    coefficients: np.ndarray,
    observed: np.ndarray,
    points: np.ndarray,
    modes: np.ndarray | None,
    weights: np.ndarray,
) -> tuple[tuple[np.ndarray, float, np.ndarray], np.ndarray]:
    """One Gauss-Newton step of pose and coefficients; of the pose alone without modes. Errors are in millimetres."""
    rotation, scale, centre = state
    turned = points @ rotation.T
    x, y, z = turned.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    # Columns: rotation about the camera's x, y and z, logarithm of the scale, centre in millimetres, coefficients.
    horizontal = np.stack([zero, z, -y, x, one, zero])
    vertical = np.stack([-z, zero, x, y, zero, one])
    jacobian = np.stack([horizontal, vertical], axis=-1)  # [columns, points, 2]
    if modes is not None:
        jacobian = np.concatenate([jacobian, modes @ rotation[:2].T])
    errors = (observed - centre) / scale - turned[:, :2]
    columns = (jacobian * weights[:, None]).reshape(len(jacobian), -1)
    values = (errors * weights[:, None]).ravel()
    prior = np.r_[np.full(6, 1e-9), np.ones(len(columns) - 6)]
    pull = np.r_[np.zeros(6), coefficients if modes is not None else []]
    change = np.linalg.solve(columns @ columns.T + np.diag(prior), columns @ values - pull)
    centre = centre + scale * change[4:6]
    if modes is not None:
        coefficients = coefficients + change[6:]
    return (_rotation_vector(change[:3]) @ rotation, scale * np.exp(change[3]), centre), coefficients


def _rotation_vector(vector: np.ndarray) -> np.ndarray:
    """Returns the rotation about a vector by its length, at most half a radian (Rodrigues)."""
    length = np.linalg.norm(vector) + 1e-12
    a, b, c = vector / length
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    angle = min(length, 0.5)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
