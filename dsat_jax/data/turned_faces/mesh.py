"""The mesh of a photograph: landmarks, skin, head and background with a depth each, and the triangles between them."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax.data.turned_faces import fitting, template
from dsat_jax.data.turned_faces.fitting import FittedPose
from dsat_jax.schemes import Scheme

_NOSE = range(51, 60)  # WFLW
_SCHEMES = ("w300_68", "wflw_98")
_APART = 7.0  # distance of the skin's vertices from landmarks in millimetres
_SMOOTHING = 2.0  # millimetres, of the interpolation between landmarks
_FACING = 0.2  # cosine between a visible vertex's normal and the viewer
# Outline of hair and ears around the skull: centre and half axes in millimetres, head coordinates.
_SKULL_CENTRE, _SKULL_AXES = np.array([0.0, -26.0, -105.0]), np.array([87.0, 97.0])
_SKULL_ANGLES = np.deg2rad(np.r_[np.arange(-215, 36, 15.625)])  # clockwise from the right, over the crown
# Vertices of the hair above the forehead, and at the sides of the neck below the ears, in head coordinates.
_HAIRLINE = np.array([[-44.0, -97.0, -58.0], [-16, -106, -38], [16, -106, -38], [44, -97, -58]])
_NAPE = np.array([[-60.0, 86.0, -90.0], [60, 86, -90]])
_NAPE_SHARE, _NECK_SHARE = 0.6, 0.35  # of the motion of the head
_OUTSIDE = 4.0  # distance of the skull's vertices from the face in millimetres
_NECK_BELOW, _NECK_DEPTH = 26.0, -45.0  # millimetres below the jaw, and behind the plane of the pivot
_FOREHEAD_HEIGHTS = np.array([-32.0, -55.0, -78.0])  # y of the vertices on its edge in millimetres
_ANCHORS = 6  # intervals between the fixed vertices on each side of the image


@dataclasses.dataclass(frozen=True)
class FittedHead:
    """A face, ready to be turned. It depends on the landmarks and the size of the image alone.

    Attributes:
      pose: pose and shape of the head.
      scheme: scheme of the landmarks.
      vertices: float32 [vertices, 3], pixels and depth in pixels relative to the pivot; the first are the landmarks.
      shares: float32 [vertices], share of the head's motion: 1 on the head, 0 at the border of the image.
      triangles: int32 [triangles, 3], vertices of each triangle.
    """

    pose: FittedPose
    scheme: Scheme
    vertices: np.ndarray
    shares: np.ndarray
    triangles: np.ndarray

    @property
    def landmarks(self) -> np.ndarray:
        """The landmarks, float32 [points, 2] in pixels."""
        return self.vertices[: self.scheme.num_points, :2]

    @property
    def features(self) -> np.ndarray:
        """The landmarks of brows, eyes and lips, int [features]."""
        wflw = fitting.wflw_points(self.scheme)
        return np.flatnonzero((wflw >= template.NUM_CONTOUR) & ~np.isin(wflw, _NOSE))


def applies_to(scheme: Scheme) -> bool:
    """Returns whether faces with landmarks of a scheme can be turned."""
    return scheme.name in _SCHEMES


def fit(landmarks: np.ndarray, scheme: Scheme, image_shape: Sequence[int]) -> FittedHead:
    """Fits the 3-D head to a face and makes the mesh of its image.

    Args:
      landmarks: landmarks [points, 2] in pixels; all of them are known.
      scheme: scheme of the landmarks, see `applies_to`.
      image_shape: shape of the image, (height, width, ...).
    """
    pose = fitting.fit_pose(landmarks, scheme)
    fitted = _fitted_landmarks(pose, scheme)
    face = np.concatenate([landmarks, fitted[:, 2:]], axis=1)
    move = _Residuals(fitted[:, :2], face[:, :2], smoothing=_SMOOTHING * pose.scale)
    forehead = move(pose.place(_forehead_edge(pose)))
    rim = _rim(face, forehead, scheme)
    skin = _apart(move(pose.place(pose.parts.skin[_facing(pose)])), face, rim, _APART * pose.scale)
    hairline = _outside(rim, pose, _HAIRLINE)
    hull = cv2.convexHull(np.concatenate([rim, hairline[:, :2].astype(np.float32)]))
    skull, nape = (_outside(hull, pose, points) for points in (_skull(), _NAPE))
    neck = _neck(pose, face, scheme)
    head = np.concatenate([face, forehead, skin, hairline, skull, nape, neck])
    anchors = _anchors(head, image_shape)
    counts = (len(head) - len(nape) - len(neck), len(nape), len(neck), len(anchors))
    shares = np.repeat([1.0, _NAPE_SHARE, _NECK_SHARE, 0.0], counts)
    vertices = np.concatenate([head, anchors]).astype(np.float32)
    return FittedHead(pose, scheme, vertices, shares.astype(np.float32), _triangulate(vertices[:, :2]))


def contour_points(pose: FittedPose, rotation: np.ndarray) -> np.ndarray:
    """Returns the contour of the fitted head on the outline seen in a pose, float64 [contour, 3] in millimetres."""
    at = pose.contour_rows
    return fitting.outline(pose.parts.contour[at], template.CONTOUR_SIDES[at], rotation)[0]


def _fitted_landmarks(pose: FittedPose, scheme: Scheme) -> np.ndarray:
    """Returns the landmarks of the fitted head, pixels and depth, float64 [points, 3]."""
    points = pose.parts.points[fitting.wflw_points(scheme)]
    points[: len(pose.contour_rows)] = contour_points(pose, pose.rotation)
    return pose.place(points)


class _Residuals:
    """Interpolation of the differences between the landmarks and those of the fitted head to other points.

    The kernel is the distance, with a constant; smoothing is in pixels.
    """

    def __init__(self, fitted: np.ndarray, landmarks: np.ndarray, smoothing: float):
        self._centres, count = fitted, len(fitted)
        system = np.ones((count + 1, count + 1))
        system[:count, :count] = self._kernel(fitted) - smoothing * np.eye(count)
        system[count, count] = 0
        self._weights = np.linalg.solve(system, np.concatenate([landmarks - fitted, np.zeros((1, 2))]))

    def _kernel(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - self._centres, axis=-1)

    def __call__(self, vertices: np.ndarray) -> np.ndarray:
        """Returns vertices [vertices, 3], moved in the image."""
        moved = vertices.copy()
        moved[:, :2] += self._kernel(vertices[:, :2]) @ self._weights[:-1] + self._weights[-1]
        return moved


def _forehead_edge(pose: FittedPose) -> np.ndarray:
    """Returns points on the visible edge of the forehead, downwards on the left, then on the right."""
    rows = template.rows_at(pose.parts.rows, _FOREHEAD_HEIGHTS)
    sides = (np.full(len(rows), side) for side in (-1, 1))
    return np.concatenate([fitting.outline(rows, side, pose.rotation)[0] for side in sides])


def _facing(pose: FittedPose) -> np.ndarray:
    """Returns which nodes of the skin face the viewer and are not behind the nose."""
    normals = template.skin_normals() @ pose.rotation.T
    x, y, _ = (pose.parts.skin + template.PIVOT).T
    yaw = pose.angles[0]
    behind_nose = (np.abs(yaw) > 25) & (x * np.sign(yaw) > 0) & (np.abs(x) < 26) & (y > -5) & (y < 64)
    return (normals[:, 2] > _FACING) & ~behind_nose


def _rim(face: np.ndarray, forehead: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns the polygon around face and forehead, float32 [corners, 2]."""
    contour = face[: fitting.num_contour(scheme)]
    half = len(forehead) // 2
    return np.concatenate([contour, forehead[: half - 1 : -1], forehead[:half]])[:, :2].astype(np.float32)


def _signed_distance(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the distance of points [points, 2 or 3] to a polygon in pixels, positive inside."""
    return np.array([cv2.pointPolygonTest(polygon, point, True) for point in points[:, :2].tolist()])


def _apart(skin: np.ndarray, face: np.ndarray, rim: np.ndarray, distance: float) -> np.ndarray:
    """Returns the vertices of the skin that are inside the face and not close to a landmark or the rim."""
    nearest = np.linalg.norm(skin[:, None, :2] - face[:, :2], axis=-1).min(axis=1)
    skin = skin[nearest > distance]
    return skin[_signed_distance(rim, skin) > distance / 2]


def _outside(rim: np.ndarray, pose: FittedPose, points: np.ndarray) -> np.ndarray:
    """Returns those of some points [points, 3] in head coordinates that the face does not hide, as vertices."""
    vertices = pose.place(points - template.PIVOT)
    return vertices[_signed_distance(rim, vertices) < -_OUTSIDE * pose.scale]


def _skull() -> np.ndarray:
    ring = np.stack([np.cos(_SKULL_ANGLES), np.sin(_SKULL_ANGLES)], axis=-1) * _SKULL_AXES
    return _SKULL_CENTRE + np.pad(ring, ((0, 0), (0, 1)))


def _neck(pose: FittedPose, face: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns vertices below the jaw, which follow the head only in part."""
    count = fitting.num_contour(scheme)
    jaw = face[np.round(np.linspace(0.28, 0.72, 5) * (count - 1)).astype(int)]
    down = pose.rotation[:2, 1] / np.linalg.norm(pose.rotation[:2, 1])
    neck = jaw.copy()
    neck[:, :2] += _NECK_BELOW * pose.scale * down
    neck[:, 2] = _NECK_DEPTH * pose.scale
    return neck


def _anchors(head: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Returns fixed vertices on a rectangle around image and head, [anchors, 3]."""
    height, width = image_shape[:2]
    margin = 0.1 * np.ptp(head[:, :2], axis=0).max()
    low = np.minimum([-1.0, -1.0], head[:, :2].min(axis=0) - margin)
    high = np.maximum([width, height], head[:, :2].max(axis=0) + margin)
    t = np.linspace(0, 1, _ANCHORS + 1)[:-1]
    zero, one = np.zeros_like(t), np.ones_like(t)
    x, y = np.r_[t, one, 1 - t, zero], np.r_[zero, t, one, 1 - t]
    return np.stack([low[0] + x * (high - low)[0], low[1] + y * (high - low)[1], np.zeros_like(x)], axis=-1)


def _triangulate(points: np.ndarray) -> np.ndarray:
    """Returns the Delaunay triangles of points float32 [points, 2], int32 [triangles, 3]."""
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    subdivision = cv2.Subdiv2D((*low.astype(int).tolist(), *(high - low).astype(int).tolist()))
    numbers = {}
    for number, point in enumerate(points.tolist()):
        numbers.setdefault(tuple(point), number)
    subdivision.insert(list(numbers))
    corners = subdivision.getTriangleList().reshape(-1, 3, 2).tolist()
    triangles = [[numbers.get(tuple(corner), -1) for corner in triangle] for triangle in corners]
    return np.array([triangle for triangle in triangles if min(triangle) >= 0], np.int32)
