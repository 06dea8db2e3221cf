"""The pose of a head: rotation, perspective, and the visible outline."""

import dataclasses
import functools

import numpy as np

from tfds_builders.synthetic_faces.head import Head, rows_at
from tfds_builders.synthetic_faces.template import (
    BROW_LEFT,
    BROW_RIGHT,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS,
    NUM_CONTOUR,
    PUPILS,
)

PIVOT = np.array([0.0, 45.0, -40.0])  # the head turns about this point, millimetres
FAR_YAW = 46.0  # degrees, the largest yaw at which the outline of the cheek hides all that is hidden
_INSIDE = np.r_[BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, LIPS, PUPILS]  # all but contour and nose
_ACROSS = np.sin(
    np.deg2rad(np.linspace(20, 90, 29))
)  # positions in a row of skin where its outline is searched


@dataclasses.dataclass(frozen=True)
class Pose:
    """A head in front of a camera.

    Attributes:
      yaw: rotation to the side in degrees; positive turns the nose to the image's right.
      pitch: rotation up or down in degrees; positive lowers the nose.
      roll: rotation in the image plane in degrees; positive is clockwise.
      scale: pixels per millimetre at the pivot.
      centre: (x, y) of the pivot in pixels.
      distance: distance from the camera to the pivot in millimetres.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 0.9
    centre: tuple[float, float] = (128.0, 128.0)
    distance: float = 900.0

    def mirrored(self, width: int) -> "Pose":
        """The pose of the mirrored image, `width` pixels wide."""
        centre = (width - 1 - self.centre[0], self.centre[1])
        return dataclasses.replace(self, yaw=-self.yaw, roll=-self.roll, centre=centre)

    @property
    def is_far_turned(self) -> bool:
        """Whether nose and lips are part of the visible outline, see `profile.py`."""
        return abs(self.yaw) > FAR_YAW

    @functools.cached_property
    def rotation(self) -> np.ndarray:
        """Rotation from head to camera coordinates, float64 [3, 3]: yaw first, then pitch, then roll."""
        yaw, pitch, roll = np.deg2rad([self.yaw, self.pitch, self.roll])
        around_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        around_x = np.array(
            [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
        )
        around_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return around_z @ around_x @ around_y

    @functools.cached_property
    def picture_right(self) -> np.ndarray:
        """Direction in the image of the right side of a head with this roll and no yaw, float64 [2]."""
        roll = np.deg2rad(self.roll)
        return np.array([np.cos(roll), np.sin(roll)])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3] in head coordinates, with the points' dtype."""
        return self.project_turned(
            (points - PIVOT.astype(points.dtype)) @ self.rotation.T.astype(points.dtype)
        )

    def project_turned(self, turned: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 3] in camera coordinates relative to the pivot."""
        nearness = self.scale * self.distance / (self.distance - turned[..., 2:])
        return turned[..., :2] * nearness + np.array(self.centre, turned.dtype)


def landmarks(head: Head, pose: Pose) -> np.ndarray:
    """The 98 landmarks in the image.

    The contour follows the convention of human annotators: on the side turned away, where the jaw line is hidden,
    its points are on the visible outline of the cheek, and so are points of the far eye, brow and lips that are
    behind it.

    Args:
      head: landmarks and skin, see `build_head`.
      pose: pose of the head.

    Returns:
      float64 [98, 2] pixels.
    """
    points = pose.project(head.points)
    points[:NUM_CONTOUR] = contour(head, pose)
    hidden, outline = _beyond_outline(head, pose)
    points[_INSIDE] = np.where(hidden[:, None], outline, points[_INSIDE])
    return points


def turned_away(head: Head, pose: Pose) -> np.ndarray:
    """Finds the landmarks inside the face that are hidden behind the outline of the cheek.

    Args:
      head: landmarks and skin, see `build_head`.
      pose: pose of the head.

    Returns:
      bool [98], True for hidden landmarks; always False for the contour and the nose.
    """
    hidden = np.zeros(len(head.points), bool)
    hidden[_INSIDE], _ = _beyond_outline(head, pose)
    return hidden


def _beyond_outline(head: Head, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Whether each point of `_INSIDE` is turned away, bool [inside], and its nearest outline point, [inside, 2]."""
    points = head.points[_INSIDE]
    sides = np.where(points[:, 0] < 0, -1, 1)
    rows = rows_at(head.rows, points[:, 1])
    outline, across = silhouette(rows, pose, sides)
    outwards = sides[:, None] * pose.picture_right
    past = ((pose.project(points) - outline) * outwards).sum(axis=-1) > 0
    return past | (np.abs(points[:, 0]) > across * rows[:, 1]), outline


def contour(head: Head, pose: Pose) -> np.ndarray:
    """The landmarks of the contour on the visible outline of the base surface: pixels [33, 2]."""
    jaw = head.points[16:NUM_CONTOUR]  # chin to right temple
    middle = rows_at(head.rows, jaw[:, 1])[:, 3]
    middle[0] = jaw[0, 2]  # the row of the chin is one point
    rows = np.stack([jaw[:, 1], jaw[:, 0], jaw[:, 2], middle], axis=-1)
    right, left = (silhouette(rows, pose, np.full(len(rows), side))[0] for side in (1, -1))
    return np.concatenate([left[:0:-1], right])


def silhouette(rows: np.ndarray, pose: Pose, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The outermost visible point of each row of skin.

    Args:
      rows: [rows, 4], see `Head.rows`.
      pose: pose of the head.
      sides: [rows], -1 for the left, 1 for the right end of the row.

    Returns:
      Pixels, float64 [rows, 2], and positions on the row, float64 [rows]: 1 is the edge, 0 the midline.
    """
    points = (
        skin_points(rows, _ACROSS) * np.stack([sides, np.ones_like(sides), np.ones_like(sides)], -1)[:, None]
    )
    pixels = pose.project(points)  # [rows, across, 2]
    outermost = (sides[:, None] * (pixels @ pose.picture_right)).argmax(axis=1)
    return pixels[np.arange(len(rows)), outermost], _ACROSS[outermost]


def skin_points(rows: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Points of the base surface.

    Args:
      rows: [rows, 4], see `Head.rows`.
      across: [across] positions on the row, -1 (left edge) to 1 (right edge).

    Returns:
      float64 [rows, across, 3] millimetres.
    """
    y, width, edge, middle = rows.T[:, :, None]
    depth = edge + (middle - edge) * (1 - np.abs(across) ** 2.5) ** 0.6
    return np.stack(np.broadcast_arrays(width * across, y, depth), axis=-1)
