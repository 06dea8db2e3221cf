"""Faces that are turned so far that nose and lips are part of the visible outline.

The base surface of `pose.silhouette` has neither. Here the outline of each row of skin is that of the surface with all
bumps, which hides what is behind it: the far eye behind the bridge of the nose, the far half of the lips.
"""

import dataclasses

import numpy as np

from tfds_builders.synthetic_faces.head import Head, rows_at
from tfds_builders.synthetic_faces.pose import Pose, contour
from tfds_builders.synthetic_faces.surface import bumpy_skin, grid
from tfds_builders.synthetic_faces.template import NUM_CONTOUR

_HIDDEN = 1.0  # millimetres behind the outline from which a point is hidden
_MOVED = 3.0  # millimetres behind the outline from which a landmark is on the outline itself
_CHEEK_YAW, _PROFILE_YAW = 60.0, 85.0  # degrees at which the far contour is the cheek, and the profile
_CONTOUR_MOVED = 8.0  # millimetres, less than the height of the nose
_ROW_PIXELS = 1.5  # more than the distance of neighbouring rows of skin
_BASE = 57  # landmark at the base of the nose
_WINGS = {-1: (55, 56), 1: (58, 59)}  # landmarks of the wings on each side


@dataclasses.dataclass(frozen=True)
class Profile:
    """Rows of skin of a turned head, in pixels along `Pose.picture_right`, reversed if the nose points to the left.

    Attributes:
      head: landmarks and skin in millimetres.
      pose: pose of the head.
      heights: y of each row in millimetres, float64 [rows].
      across: positions on a row, -1 at the near edge to 1 at the far edge, float64 [columns].
      pixels: points of the skin, float64 [rows, columns, 2].
      along: their positions in the direction of the nose, float64 [rows, columns].
      horizon: largest of the positions from the near edge to each point, float64 [rows, columns]; points of a lower
        position are hidden.
    """

    head: Head
    pose: Pose
    heights: np.ndarray
    across: np.ndarray
    pixels: np.ndarray
    along: np.ndarray
    horizon: np.ndarray

    @classmethod
    def of(cls, head: Head, pose: Pose) -> "Profile":
        """Projects the skin of a head."""
        rows, across = grid(pose)
        surface = bumpy_skin(head, rows, across).astype(np.float64)
        pixels = pose.project(surface)[:, :: _side(pose)]
        along = pixels @ _towards_nose(pose)
        horizon = np.maximum.accumulate(along, axis=1)
        return cls(head, pose, surface[:, 0, 1], across, pixels, along, horizon)

    @property
    def far_outline(self) -> np.ndarray:
        """Outline of forehead, nose, lips and chin, downwards: pixels [rows, 2]."""
        return self.pixels[np.arange(len(self.pixels)), self.along.argmax(axis=1)]

    @property
    def strips(self) -> list[np.ndarray]:
        """Quadrangles [4, 2] in pixels between neighbouring rows, which together cover the visible skin."""
        near, far = self.pixels[np.arange(len(self.pixels)), self.along.argmin(axis=1)], self.far_outline
        return list(np.stack([near[:-1], far[:-1], far[1:], near[1:]], axis=1))

    def landmarks(self) -> tuple[np.ndarray, np.ndarray]:
        """The 98 landmarks and whether each is hidden.

        Hidden landmarks are on the outline that hides them, at the same height in the head's direction, where human
        annotators put them. The contour is that of `pose.landmarks`; its far half approaches the outline of a profile,
        but does not follow the nose to its tip.

        Returns:
          Pixels, float64 [98, 2], and bool [98].
        """
        points = self.pose.project(self.head.points)
        direction = _towards_nose(self.pose)
        behind, horizon = self._behind(self.head.points)
        own = points @ direction
        share = np.clip(behind / (_MOVED * self.pose.scale), 0, 1)
        hidden = behind > _HIDDEN * self.pose.scale
        # The row of a far wing ends at the tip of the nose, far in front of it.
        for wing in _WINGS[_side(self.pose)]:
            share[wing], horizon[wing] = 1.0, max(own[wing], own[_BASE])
            hidden[wing] = own[_BASE] - own[wing] > _HIDDEN * self.pose.scale
        points += (share * (horizon - own))[:, None] * direction
        beyond = points @ direction - self._extent(points)  # a nod tilts the rows of skin
        points -= np.maximum(beyond, 0)[:, None] * direction
        points[:NUM_CONTOUR], hidden[:NUM_CONTOUR] = self._contour(), False
        return points, hidden

    def _extent(self, points: np.ndarray) -> np.ndarray:
        """Position of the outline at the heights of points [points, 2] in the image, float64 [points]."""
        down = np.array([-self.pose.picture_right[1], self.pose.picture_right[0]])
        outline = self.far_outline
        apart = np.abs((outline @ down)[:, None] - points @ down)
        near = (apart < _ROW_PIXELS) | (apart == apart.min(axis=0))
        return np.where(near, self.along.max(axis=1)[:, None], -np.inf).max(axis=0)

    def _contour(self) -> np.ndarray:
        """The landmarks of the contour: pixels [33, 2]."""
        points, direction = contour(self.head, self.pose), _towards_nose(self.pose)
        far = slice(17, NUM_CONTOUR) if _side(self.pose) > 0 else slice(16)
        outline = np.interp(self.head.points[far, 1], self.heights, self.along.max(axis=1))
        share = np.clip((abs(self.pose.yaw) - _CHEEK_YAW) / (_PROFILE_YAW - _CHEEK_YAW), 0, 1)
        most = _CONTOUR_MOVED * self.pose.scale
        points[far] += share * np.clip(outline - points[far] @ direction, 0, most)[:, None] * direction
        return points

    def _behind(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns by how much the skin at points [points, 3] is behind the outline, and that outline, in pixels."""
        width = np.maximum(rows_at(self.head.rows, points[:, 1])[:, 1], 1e-6)
        across = _side(self.pose) * points[:, 0] / width
        row = np.abs(self.heights[:, None] - points[:, 1]).argmin(axis=0)
        along, horizon = (
            np.array([np.interp(x, self.across, values[i]) for x, i in zip(across, row, strict=True)])
            for values in (self.along, self.horizon)
        )
        return horizon - along, horizon


def _side(pose: Pose) -> int:
    """The far side of the head: 1 is right, -1 left."""
    return 1 if pose.yaw > 0 else -1


def _towards_nose(pose: Pose) -> np.ndarray:
    return _side(pose) * pose.picture_right
