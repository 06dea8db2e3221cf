"""Shading of the skin: the height field with its bumps, lit and projected to an image of shades."""

import dataclasses

import cv2
import numpy as np

from tfds_builders.synthetic_faces.head import Head, rows_at
from tfds_builders.synthetic_faces.paint import as_shade
from tfds_builders.synthetic_faces.pose import Pose, skin_points

_ROWS, _COLUMNS = 100, 84
_MANY_ROWS, _MANY_COLUMNS = 160, 180  # for the cheek of a far turned head, which is seen from its side


@dataclasses.dataclass(frozen=True)
class Light:
    """One lamp and ambient light.

    Attributes:
      direction: vector of any length towards the lamp: right, down, to the viewer.
      ambient: share of the ambient light, 0 to 1.
      strength: brightness of the light; 1 is a normal exposure.
      gloss: strength of highlights, 0 to 1.
    """

    direction: tuple[float, float, float] = (0.2, -0.6, 1.0)
    ambient: float = 0.5
    strength: float = 1.0
    gloss: float = 0.2

    def mirrored(self) -> "Light":
        """The light of the mirrored image."""
        right, down, front = self.direction
        return dataclasses.replace(self, direction=(-right, down, front))

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """Brightness [...] of surfaces with unit normals [..., 3] in camera coordinates; 1 is normal."""
        towards = np.array(self.direction, np.float32)
        towards /= np.linalg.norm(towards)
        facing = np.maximum((normals @ towards + 0.15) / 1.15, 0)  # skin scatters light around the edge
        halfway = towards + np.array([0, 0, 1], np.float32)
        halfway /= np.linalg.norm(halfway)
        gloss = np.maximum(normals @ halfway, 0)
        for _ in range(4):  # to the 16th power
            gloss = gloss * gloss
        ambient = self.ambient * (0.75 + 0.25 * normals[..., 2])
        return self.strength * (ambient + (1 - self.ambient) * facing + self.gloss * gloss)


def shade_skin(head: Head, pose: Pose, light: Light, size: int) -> np.ndarray:
    """Shades of the face.

    The height field is splatted at half the resolution, far columns first, so that a turned nose hides the
    cheek behind it. Pixels outside the skin continue the brightness of its edge.

    Args:
      head: landmarks and skin, see `build_head`.
      pose: pose of the head.
      light: light in camera coordinates.
      size: side of the square image in pixels.

    Returns:
      uint8 [size, size] shades, see `paint.as_shade`.
    """
    surface = bumpy_skin(head, *grid(pose))
    normals = _normals(surface) @ pose.rotation.T.astype(np.float32)
    shade = light.shade(normals)
    half = size // 2
    pixels = (pose.project(surface[1:-1, 1:-1]) + 0.5) / 2 - 0.5  # the convention of `geometry.resize_matrix`
    at = np.rint(pixels).astype(np.int32)
    # The last value written to a pixel wins, so columns are written from the far to the near side.
    order = slice(None, None, -1) if pose.yaw > 0 else slice(None)
    x, y, values = at[:, order, 0].T.ravel(), at[:, order, 1].T.ravel(), shade[:, order].T.ravel()
    inside = (x >= 0) & (x < half) & (y >= 0) & (y < half)
    if pose.is_far_turned:  # the far half would show through gaps of the near one
        inside &= normals[:, order, 2].T.ravel() > 0
    sums = np.zeros((half, half, 2), np.float32)
    sums[y[inside], x[inside], 0] = values[inside]
    sums[y[inside], x[inside], 1] = 1
    near = cv2.GaussianBlur(sums, (0, 0), 1.0)
    far = cv2.GaussianBlur(cv2.resize(sums, (size // 8, size // 8), interpolation=cv2.INTER_AREA), (0, 0), 3)
    mixed = near + 0.002 * cv2.resize(far, (half, half)) + np.float32(1e-6)
    return cv2.resize(as_shade(mixed[..., 0] / mixed[..., 1]), (size, size))


def grid(pose: Pose) -> tuple[int, np.ndarray]:
    """Number of rows of the skin that a pose needs, and positions on each, float64 [columns], -1 to 1."""
    rows, columns = (_MANY_ROWS, _MANY_COLUMNS) if pose.is_far_turned else (_ROWS, _COLUMNS)
    return rows, np.sin(np.linspace(-np.pi / 2, np.pi / 2, columns))


def bumpy_skin(head: Head, num_rows: int, across: np.ndarray) -> np.ndarray:
    """The skin with nose, lips, eye sockets, cheeks and chin.

    Args:
      head: landmarks and skin, see `build_head`.
      num_rows: number of rows.
      across: positions on each row, [columns], see `pose.skin_points`.

    Returns:
      float32 [rows, columns, 3] millimetres.
    """
    y = np.linspace(head.rows[0, 0] + 1, head.rows[-1, 0] - 0.5, num_rows)
    rows = rows_at(head.rows, y)
    surface = skin_points(rows, across).astype(np.float32)
    x, points = surface[..., 0], head.points
    height = _nose(head, x, y)
    mouth = (points[76] + points[82]) / 2
    gap = points[94, 1] - points[90, 1]
    # Each bump: x, y, half width, half height, height; all in millimetres.
    bumps = [
        (0, points[[78, 80], 1].mean(), 20, 6.5, 4.5),  # upper lip
        (0, points[85, 1] - 4, 17, 6, 5),  # lower lip
        (0, points[85, 1] + 7.5, 16, 4.5, -3),  # the dip below it
        (0, mouth[1], 30, 2 + 0.3 * gap, -2),
        (0, points[16, 1] - 11, 17, 10, 5),  # chin
        (0, (points[57, 1] + points[79, 1]) / 2, 3, 8, -1.2),  # philtrum
    ]
    for side, corner, inner, outer, brow, wing in ((-1, 76, 64, 60, 35, 55), (1, 82, 68, 72, 44, 59)):
        eye = (points[inner] + points[outer]) / 2
        fold = (points[corner] + points[wing]) / 2
        bumps += [
            (eye[0] - 4 * side, eye[1] - 3, 20, 12, -5),  # eye socket
            (eye[0], eye[1], 13, 7.5, 4.5),  # eyeball
            (points[brow, 0], points[brow, 1] + 2.5, 24, 6, 3),
            (47 * side, points[54, 1] - 14, 17, 17, 4),  # cheekbone
            (46 * side, points[corner, 1] + 2, 16, 22, -2.5),  # cheek
            (fold[0] + 6 * side, points[corner, 1] - 10, 7, 12, -1.5),
        ]
    for centre_x, centre_y, width, tall, amount in bumps:
        along = (amount * np.exp(-(((y - centre_y) / tall) ** 2))).astype(np.float32)
        some = np.abs(along) > 0.02  # the bump is negligible in the other rows
        height[some] += along[some, None] * np.exp(
            -(((x[some] - np.float32(centre_x)) / np.float32(width)) ** 2)
        )
    surface[..., 2] += height
    return surface


def _nose(head: Head, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the nose above the base surface, float32 [rows, columns]."""
    points = head.points
    bridge = points[[51, 52, 53, 54]]
    ridge = bridge[:, 2] - np.interp(bridge[:, 1], head.rows[:, 0], head.rows[:, 3])
    base = points[57, 1]
    half = (points[59, 0] - points[55, 0]) / 2
    knots = np.r_[bridge[0, 1] - 45, bridge[0, 1] - 16, bridge[:, 1], base - 4, base + 3, base + 8]
    along = np.interp(y, knots, np.r_[0.0, 3.0, ridge, 0.72 * ridge[3], 5.0, 0.0])
    spread = np.interp(y, knots, np.r_[22.0, 12.0, 8.0, 8.5, 9.5, np.array([0.75, 0.8, 0.8, 0.9]) * half])
    height = along.astype(np.float32)[:, None] * np.exp(
        -(np.abs(x / spread.astype(np.float32)[:, None]) ** 2.4)
    )
    wings = (7.0 * np.exp(-(((y - points[55, 1] + 1) / 6.0) ** 2))).astype(np.float32)[:, None]
    return height + wings * np.exp(-(((np.abs(x) - np.float32(0.85 * half)) / 5) ** 2))


def _normals(surface: np.ndarray) -> np.ndarray:
    """Unit normals [rows - 2, columns - 2, 3], in head coordinates, of the inner points of a height field."""
    across = surface[1:-1, 2:] - surface[1:-1, :-2]
    down = surface[2:, 1:-1] - surface[:-2, 1:-1]
    normals = np.stack([
        -across[..., 2] * down[..., 1],  # rows are level: `across` has no y
        across[..., 2] * down[..., 0] - across[..., 0] * down[..., 2],
        across[..., 0] * down[..., 1],
    ], axis=-1)  # fmt: skip
    return normals / np.sqrt((normals * normals).sum(axis=-1, keepdims=True))
