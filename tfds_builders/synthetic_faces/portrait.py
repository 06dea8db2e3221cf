"""The data of the drawn face that all parts of the drawing share."""

import dataclasses
import functools

import cv2
import numpy as np

from tfds_builders.synthetic_faces.head import Head, base_depth, build_head, rows_at
from tfds_builders.synthetic_faces.parameters import SIZE, Parameters
from tfds_builders.synthetic_faces.pose import PIVOT, landmarks, silhouette, turned_away
from tfds_builders.synthetic_faces.profile import Profile
from tfds_builders.synthetic_faces.surface import shade_skin
from tfds_builders.synthetic_faces.textures import pores

_SKULL_CENTRE, _SKULL_RADII = np.array([0.0, -26.0, -82.0]), np.array([75.0, 86.0, 94.0])
# The same of a far turned head, whose skull must not extend beyond its forehead.
_FAR_CENTRE, _FAR_RADII = np.array([0.0, -24.0, -92.0]), np.array([75.0, 84.0, 84.0])
_HAIRLINE_MIDDLE = -78.0  # millimetres
_EAR_DEPTH = 56.0  # millimetres behind the bridge of the nose


@dataclasses.dataclass(frozen=True)
class Portrait:
    """A face, posed and lit.

    Attributes:
      parameters: parameters of the image.
      head: landmarks and skin in millimetres.
      points: float64 [98, 2] landmarks in pixels.
      hidden: bool [98], whether each landmark is turned away.
      profile: rows of skin of a far turned head; None for other heads.
      shade: uint8 [size, size], shades of the skin.
      unit: pixels per millimetre at the face.
      random: random generator of textures and other details without a parameter.
    """

    parameters: Parameters
    head: Head
    points: np.ndarray
    hidden: np.ndarray
    profile: Profile | None
    shade: np.ndarray
    unit: float
    random: np.random.Generator

    @classmethod
    def of(cls, parameters: Parameters) -> "Portrait":
        """Builds, poses and lights the head."""
        pose = parameters.pose
        head = build_head(parameters.shape, parameters.expression, parameters.head_depth)
        profile = Profile.of(head, pose) if pose.is_far_turned else None
        points, hidden = profile.landmarks() if profile else (landmarks(head, pose), turned_away(head, pose))
        random = np.random.default_rng(parameters.texture_seed)
        return cls(
            parameters=parameters,
            head=head,
            points=points,
            hidden=hidden,
            profile=profile,
            shade=_with_pores(shade_skin(head, pose, parameters.light, SIZE), random),
            unit=pose.scale,
            random=random,
        )

    def on_skin(self, xy: np.ndarray, lift: np.ndarray | float = 0.0) -> np.ndarray:
        """Pixels of positions on the skin; positions behind the visible outline are moved onto it.

        Args:
          xy: [points, 2] millimetres in head coordinates.
          lift: millimetres above the base surface.

        Returns:
          float64 [points, 2].
        """
        xy, rows, pose = np.asarray(xy, float), self.head.rows, self.parameters.pose
        depth = base_depth(rows, xy[:, 0], xy[:, 1]) + lift
        pixels = pose.project(np.concatenate([xy, depth[:, None]], axis=1))
        if abs(pose.yaw) < 12:  # all of the skin is visible
            return pixels
        sides = np.where(xy[:, 0] < 0, -1, 1)
        row = rows_at(rows, xy[:, 1])
        outline, across = silhouette(row, pose, sides)
        beyond = (np.abs(xy[:, 0]) >= across * row[:, 1]) & (np.abs(xy[:, 0]) <= row[:, 1] + 1)
        return np.where(beyond[:, None], outline, pixels)

    @functools.cached_property
    def up(self) -> np.ndarray:
        """The head's upward direction in the image, a unit vector [2]."""
        right = self.parameters.pose.picture_right
        return np.array([right[1], -right[0]])

    @functools.cached_property
    def outline(self) -> np.ndarray:
        """The visible edge of face and forehead, pixels [points, 2], closed."""
        top = self.head.rows[self.head.rows[:, 0] < self.head.points[0, 1]]
        left, right = (silhouette(top, self.parameters.pose, np.full(len(top), side))[0] for side in (-1, 1))
        if self.profile and self.parameters.pose.yaw > 0:
            return np.concatenate([left, self.points[:17], self.profile.far_outline[::-1]])
        if self.profile:
            return np.concatenate([self.profile.far_outline, self.points[16:33], right[::-1]])
        return np.concatenate([left, self.points[:33], right[::-1]])

    @property
    def far_side(self) -> int:
        """The side of the head that is turned away: -1 left, 1 right; 0 for a head that is not far turned."""
        return int(np.sign(self.parameters.pose.yaw)) if self.profile else 0

    @functools.cached_property
    def front_angle(self) -> float:
        """Angle of the middle of the hairline on the outline of the skull, see `skull`, in degrees."""
        axes = self.skull(np.array([0.0, 90.0, 180.0]), 0.0)
        centre = (axes[0] + axes[2]) / 2
        middle = self.on_skin([[0.0, _HAIRLINE_MIDDLE]])[0]
        right, down = np.linalg.solve((axes[:2] - centre).T, middle - centre)
        return float(np.rad2deg(np.arctan2(down, right)))

    @property
    def ear_shift(self) -> np.ndarray:
        """Offset [3] in millimetres of the ears from those of a head of depth 1."""
        return np.array([0.0, 0.0, (1 - self.parameters.head_depth) * _EAR_DEPTH])

    @property
    def edge(self) -> np.ndarray | None:
        """The outline if features of a turned face may extend beyond it, else None."""
        return self.outline if abs(self.parameters.pose.yaw) > 12 else None

    def skull(self, angles: np.ndarray, volume: float) -> np.ndarray:
        """Points of the skull's outline in the image.

        Args:
          angles: [points] degrees, 0 is to the head's right, 90 is below.
          volume: thickness of the hair over the skull in millimetres.

        Returns:
          float64 [points, 2] pixels.
        """
        pose = self.parameters.pose
        angles = np.deg2rad(angles + pose.roll)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1) @ self._skull_spread
        centre, radii = self._skull
        turned = (centre - PIVOT) @ pose.rotation.T
        flat = turned[:2] + ring * (1 + volume / radii[1])
        return pose.project_turned(np.concatenate([flat, np.full((len(ring), 1), turned[2])], axis=1))

    @property
    def _skull(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre [3] and radii [3] of the skull in millimetres."""
        return (_FAR_CENTRE, _FAR_RADII) if self.profile else (_SKULL_CENTRE, _SKULL_RADII)

    @functools.cached_property
    def _skull_spread(self) -> np.ndarray:
        """Matrix from the unit circle to the outline of the turned skull in millimetres, float64 [2, 2].

        The outline of a projected ellipsoid is the ellipse of the upper left block of its quadratic form.
        """
        radii = self._skull[1] * (1 + 0.04 * self.parameters.shape.face_width)
        turned = self.parameters.pose.rotation * radii
        values, vectors = np.linalg.eigh((turned @ turned.T)[:2, :2])
        return vectors @ np.diag(np.sqrt(values)) @ vectors.T

    def place(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels [points, 2] of positions [points, 3] in head coordinates, millimetres."""
        return self.parameters.pose.project(np.asarray(xyz, float))


def _with_pores(shade: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds pores and spots to shades of skin, uint8 [size, size]."""
    row, column = random.integers(0, 512 - len(shade), 2)
    return cv2.multiply(shade, pores()[row : row + len(shade), column : column + len(shade)], scale=1 / 128)
