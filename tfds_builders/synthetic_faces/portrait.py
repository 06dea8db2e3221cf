"""What all parts of the drawing need to know of the face that is drawn."""

import dataclasses
import functools

import cv2
import numpy as np

from tfds_builders.synthetic_faces.head import Head, base_depth, build_head, rows_at
from tfds_builders.synthetic_faces.parameters import SIZE, Parameters
from tfds_builders.synthetic_faces.pose import PIVOT, landmarks, silhouette
from tfds_builders.synthetic_faces.surface import shade_skin
from tfds_builders.synthetic_faces.textures import pores

_SKULL_CENTRE, _SKULL_RADII = np.array([0.0, -26.0, -82.0]), np.array([75.0, 86.0, 94.0])


@dataclasses.dataclass(frozen=True)
class Portrait:
    """A face, posed and lit.

    Attributes:
      parameters: of the picture.
      head: in millimetres.
      points: float64 [98, 2] landmarks in pixels.
      shade: uint8 [size, size], the light on the skin.
      unit: pixels per millimetre at the face.
      random: for textures and other details without a name.
    """

    parameters: Parameters
    head: Head
    points: np.ndarray
    shade: np.ndarray
    unit: float
    random: np.random.Generator

    @classmethod
    def of(cls, parameters: Parameters) -> "Portrait":
        """Builds, poses and lights the head."""
        head, pose = build_head(parameters.shape, parameters.expression), parameters.pose
        random = np.random.default_rng(parameters.texture_seed)
        return cls(
            parameters=parameters,
            head=head,
            points=landmarks(head, pose),
            shade=_with_pores(shade_skin(head, pose, parameters.light, SIZE), random),
            unit=pose.scale,
            random=random,
        )

    def on_skin(self, xy: np.ndarray, lift: np.ndarray | float = 0.0) -> np.ndarray:
        """Pixels of places on the skin, those beyond the visible outline brought back to it.

        Args:
          xy: [points, 2] millimetres in head coordinates.
          lift: millimetres above the base surface.

        Returns:
          float64 [points, 2].
        """
        xy, rows, pose = np.asarray(xy, float), self.head.rows, self.parameters.pose
        depth = base_depth(rows, xy[:, 0], xy[:, 1]) + lift
        pixels = pose.project(np.concatenate([xy, depth[:, None]], axis=1))
        if abs(pose.yaw) < 12:  # all the skin is seen
            return pixels
        sides = np.where(xy[:, 0] < 0, -1, 1)
        row = rows_at(rows, xy[:, 1])
        outline, across = silhouette(row, pose, sides)
        beyond = (np.abs(xy[:, 0]) >= across * row[:, 1]) & (np.abs(xy[:, 0]) <= row[:, 1] + 1)
        return np.where(beyond[:, None], outline, pixels)

    @functools.cached_property
    def up(self) -> np.ndarray:
        """The head's upward direction in the picture, a unit vector [2]."""
        right = self.parameters.pose.picture_right
        return np.array([right[1], -right[0]])

    @functools.cached_property
    def outline(self) -> np.ndarray:
        """The visible edge of face and forehead, pixels [points, 2], closed."""
        top = self.head.rows[self.head.rows[:, 0] < self.head.points[0, 1]]
        left, right = (silhouette(top, self.parameters.pose, np.full(len(top), side))[0] for side in (-1, 1))
        return np.concatenate([left, self.points[:33], right[::-1]])

    @property
    def edge(self) -> np.ndarray | None:
        """The outline, where features of a turned face may reach beyond it; None where they cannot."""
        return self.outline if abs(self.parameters.pose.yaw) > 12 else None

    def skull(self, angles: np.ndarray, volume: float) -> np.ndarray:
        """Points of the skull's outline in the picture.

        Args:
          angles: [points] degrees, 0 is the head's right, 90 below.
          volume: millimetres by which hair stands off the skull.

        Returns:
          float64 [points, 2] pixels.
        """
        pose = self.parameters.pose
        angles = np.deg2rad(angles + pose.roll)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1) @ self._skull_spread
        turned = (_SKULL_CENTRE - PIVOT) @ pose.rotation.T
        flat = turned[:2] + ring * (1 + volume / _SKULL_RADII[1])
        return pose.project_turned(np.concatenate([flat, np.full((len(ring), 1), turned[2])], axis=1))

    @functools.cached_property
    def _skull_spread(self) -> np.ndarray:
        """float64 [2, 2], the unit circle to the outline of the turned skull, millimetres.

        The outline of a projected ellipsoid is the ellipse of the upper left block of its quadratic form.
        """
        radii = _SKULL_RADII * (1 + 0.04 * self.parameters.shape.face_width)
        turned = self.parameters.pose.rotation * radii
        values, vectors = np.linalg.eigh((turned @ turned.T)[:2, :2])
        return vectors @ np.diag(np.sqrt(values)) @ vectors.T

    def place(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels [points, 2] of places [points, 3] in head coordinates, millimetres."""
        return self.parameters.pose.project(np.asarray(xyz, float))


def _with_pores(shade: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shades of skin, uint8 [size, size], made uneven by pores and spots."""
    row, column = random.integers(0, 512 - len(shade), 2)
    return cv2.multiply(shade, pores()[row : row + len(shade), column : column + len(shade)], scale=1 / 128)
