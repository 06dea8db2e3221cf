"""Landmarks of a turned head: the contour on the visible outline of the cheek, and what is hidden behind it.

The convention is that of `tfds_builders.synthetic_faces.pose.landmarks`, which is that of human annotators.
"""

import numpy as np

from dsat_jax.data.turned_faces import fitting, template
from dsat_jax.data.turned_faces.mesh import FittedHead, contour_points


def turned_landmarks(head: FittedHead, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the landmarks of a head in another pose.

    Args:
      head: fitted head; the pivot keeps its position.
      rotation: float64 [3, 3], head to camera coordinates in the other pose.

    Returns:
      Landmarks, float64 [points, 2], and whether a landmark inside the face is hidden behind the outline, bool
      [points]; hidden landmarks are on the outline.
    """
    pose, num_contour = head.pose, len(head.pose.contour_rows)
    turned = pose.rotated(head.vertices[: head.scheme.num_points], rotation)
    # The distance between annotated and fitted outline is kept at the points that form the new outline.
    residual = head.landmarks[:num_contour] - pose.place(contour_points(pose, pose.rotation))[:, :2]
    turned[:num_contour] = _placed(head, contour_points(pose, rotation), residual, rotation)

    features = head.features  # the outline of the cheek hides no part of the nose
    points = pose.parts.points[fitting.wflw_points(head.scheme)[features]] + template.PIVOT
    sides = np.where(points[:, 0] < 0, -1.0, 1.0)
    residual = _at_heights(head, residual, points[:, 1], sides)
    before, _ = _beyond(head, points, sides, residual, head.landmarks[features], pose.rotation)
    beyond, edge = _beyond(head, points, sides, residual, turned[features, :2], rotation)
    past = beyond > np.maximum(before, 0)
    turned[features[past], :2] = edge[past]
    hidden = np.zeros(len(turned), bool)
    hidden[features[past]] = True
    return turned[:, :2], hidden


def _placed(head: FittedHead, points: np.ndarray, residual: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Returns pixels and depth [points, 3] in another pose of points in millimetres, shifted in the fitted pose."""
    placed = head.pose.place(points)
    placed[:, :2] += residual
    return head.pose.rotated(placed, rotation)


def _beyond(
    head: FittedHead,
    points: np.ndarray,
    sides: np.ndarray,
    residual: np.ndarray,
    positions: np.ndarray,
    rotation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Compares landmarks with the outline of their row of skin.

    Args:
      head: fitted head.
      points: points of the fitted head in head coordinates, [points, 3].
      sides: [points], -1 for the left, 1 for the right side of the head.
      residual: shift of the outline in the fitted pose in pixels, [points, 2].
      positions: landmarks in the pose of `rotation`, [points, 2].
      rotation: float64 [3, 3], head to camera coordinates.

    Returns:
      Distance of the landmarks to the outline in pixels, [points], positive outside and on the skin behind it; and the
      nearest points of the outline, [points, 2].
    """
    rows = template.rows_at(head.pose.parts.rows, points[:, 1])
    edge, across = fitting.outline(rows, sides, rotation)
    edge = _placed(head, edge, residual, rotation)[:, :2]
    roll = np.deg2rad(head.pose.angles[2])
    beyond = sides * ((positions - edge) @ np.array([np.cos(roll), np.sin(roll)]))
    behind = np.abs(points[:, 0]) > across * rows[:, 1]
    return np.where(behind, np.maximum(beyond, 1e-3), beyond), edge


def _at_heights(head: FittedHead, residual: np.ndarray, heights: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Returns the residual of the contour, [contour, 2], at heights [points] on sides [points] of the head."""
    y = head.pose.parts.contour[head.pose.contour_rows, 0]
    chin = len(y) // 2
    left, right = (
        np.stack([np.interp(heights, y[part], residual[part, axis]) for axis in (0, 1)], axis=-1)
        for part in (slice(None, chin + 1), slice(None, chin - 1, -1))
    )
    return np.where(sides[:, None] < 0, left, right)
