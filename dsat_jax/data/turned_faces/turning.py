"""A face at another yaw and pitch: its mesh is turned and drawn, far triangles first."""

import dataclasses

import cv2
import numpy as np

from dsat_jax.data.turned_faces import fitting
from dsat_jax.data.turned_faces.mesh import FittedHead
from dsat_jax.data.turned_faces.outline import turned_landmarks

LARGEST_YAW, LARGEST_PITCH = 80.0, 40.0  # degrees, of a turned head
_FRONTAL = 8.0  # degrees; a head within them may turn to either side
_SIDEWAYS = 15.0  # degrees of yaw above which the head hides landmarks
_BEHIND = 7.0  # millimetres from a hidden landmark to the surface before it
_FARTHEST_MOVE = 30.0  # millimetres from a hidden landmark to the edge of the surface before it
_SMALLEST_AREA = 0.05  # square pixels; smaller triangles are not drawn
_FRACTION_BITS = 4  # of the corners of drawn triangles


@dataclasses.dataclass(frozen=True)
class Turned:
    """A turned face.

    Attributes:
      image: uint8 [height, width, 3].
      landmarks: float32 [points, 2] in pixels.
      hidden: bool [points], whether the turned head hides a landmark inside the face; False for the contour, which is
        on the visible outline.
    """

    image: np.ndarray
    landmarks: np.ndarray
    hidden: np.ndarray


def sample_turn(
    head: FittedHead, random: np.random.Generator, max_yaw: float, max_pitch: float
) -> tuple[float, float]:
    """Returns a random yaw and pitch for `turn`: away from the frontal pose, to the side to which the face looks.

    Args:
      head: result of `mesh.fit`.
      random: random generator.
      max_yaw: largest additional yaw in degrees; the sum is at most `LARGEST_YAW`.
      max_pitch: largest additional pitch in degrees; the sum is at most `LARGEST_PITCH`.
    """
    yaw, pitch, _ = head.pose.angles
    return (
        _further(yaw, random, max_yaw, LARGEST_YAW),
        _further(pitch, random, max_pitch, LARGEST_PITCH),
    )


def _further(angle: float, random: np.random.Generator, most: float, largest: float) -> float:
    side = random.choice([-1.0, 1.0])
    if abs(angle) > _FRONTAL:
        side = np.sign(angle)
    return float(side * random.uniform(0, np.clip(largest - side * angle, 0, most)))


def turn(image: np.ndarray, head: FittedHead, yaw: float, pitch: float) -> Turned:
    """Turns a face.

    The centre of the landmarks' bounding rectangle keeps its position. Parts of the head that the image does not show
    are stretched from their neighbours.

    Args:
      image: image of the face, uint8 [height, width, 3].
      head: result of `mesh.fit` for the landmarks in this image.
      yaw: additional angle in degrees; positive turns the nose to the right side of the image.
      pitch: additional angle in degrees; positive turns the nose up.
    """
    old_yaw, old_pitch, roll = head.pose.angles
    rotation = fitting.rotation_of(old_yaw + yaw, old_pitch + pitch, roll)
    landmarks, hidden = turned_landmarks(head, rotation)
    shift = _centre(head.landmarks) - _centre(landmarks)
    landmarks = landmarks + shift
    vertices = head.pose.rotated(head.vertices, rotation)
    vertices[:, :2] += shift
    vertices = head.vertices + head.shares[:, None] * (vertices - head.vertices)
    numbers = _visible_triangles(head, vertices, image.shape)
    planes = _planes(head, vertices)
    x, y = (_evaluated(planes[..., k], numbers) for k in (0, 1))
    turned = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if abs(fitting.angles(rotation)[0]) > _SIDEWAYS:
        hidden |= _move_hidden(head, rotation, vertices, landmarks, numbers, planes[..., 2])
    return Turned(turned, landmarks.astype(np.float32), hidden)


def _centre(points: np.ndarray) -> np.ndarray:
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _visible_triangles(head: FittedHead, vertices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the number of the triangle that each pixel shows, int32 [height, width].

    Triangles that are seen from behind are left out: because the border of the mesh does not move, others cover each
    pixel. Background and neck are drawn before the head.
    """
    corners = vertices[head.triangles]
    area = _area(corners) * np.sign(_area(head.vertices[head.triangles]))
    drawn = np.flatnonzero(area > _SMALLEST_AREA)
    on_head = head.shares[head.triangles[drawn]].min(axis=1) == 1
    order = drawn[np.lexsort((corners[drawn, :, 2].mean(axis=1), on_head))]
    pixels = np.rint(corners[..., :2] * (1 << _FRACTION_BITS)).astype(np.int32)
    numbers = np.zeros(shape[:2], np.int32)
    for number in order.tolist():
        cv2.fillConvexPoly(numbers, pixels[number], number, cv2.LINE_8, _FRACTION_BITS)
    return numbers


def _area(triangles: np.ndarray) -> np.ndarray:
    """Returns twice the signed area of triangles [triangles, 3, 3] in the image."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _planes(head: FittedHead, vertices: np.ndarray) -> np.ndarray:
    """Returns linear functions of (x, y, 1) in the turned image, float32 [triangles, 3, 3].

    The last dimension has x and y in the image, and the depth. The functions of triangles without an area are 0.
    """
    corners = vertices[head.triangles]
    values = np.concatenate([head.vertices[head.triangles, :2], corners[..., 2:]], axis=-1)
    system = np.concatenate([corners[..., :2], np.ones_like(corners[..., :1])], axis=-1)
    large = np.abs(_area(corners)) > _SMALLEST_AREA
    planes = np.zeros((len(corners), 3, 3), np.float32)
    planes[large] = np.linalg.solve(system[large], values[large])
    return planes


def _evaluated(planes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Returns the functions [triangles, 3] at the pixels of their triangles, float32 [height, width]."""
    height, width = numbers.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    by_x, by_y, constant = planes.T
    return by_x[numbers] * x + by_y[numbers] * y + constant[numbers]


def _move_hidden(
    head: FittedHead,
    rotation: np.ndarray,
    vertices: np.ndarray,
    landmarks: np.ndarray,
    numbers: np.ndarray,
    depths: np.ndarray,
) -> np.ndarray:
    """Moves landmarks behind the drawn head to its edge in the direction of the nose, in place; those of the nose stay.

    Args:
      head: fitted head.
      rotation: float64 [3, 3], head to camera coordinates of the turned head.
      vertices: vertices of the turned mesh, [vertices, 3].
      landmarks: landmarks [points, 2] in the turned image.
      numbers: int32 [height, width], see `_visible_triangles`.
      depths: float32 [triangles, 3], see `_planes`.

    Returns:
      Whether a landmark inside the face is hidden, bool [points].
    """
    yaw, _, roll = fitting.angles(rotation)
    towards_nose = np.sign(yaw) * np.array([np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))])
    steps = np.arange(int(_FARTHEST_MOVE * head.pose.scale) + 1)
    path = landmarks[:, None] + steps[:, None] * towards_nose  # [points, steps, 2]
    x, y = np.rint(path).astype(int).clip(0, np.array(numbers.shape[::-1]) - 1).T
    number = numbers[y, x].T
    surface = (depths[number][..., :2] * path).sum(axis=-1) + depths[number][..., 2]
    on_head = head.shares[head.triangles].min(axis=1)[number] == 1
    covered = on_head & (surface - vertices[: len(landmarks), None, 2] > _BEHIND * head.pose.scale)
    hidden = covered[:, 0].copy()
    hidden[: len(head.pose.contour_rows)] = False
    moves = np.intersect1d(np.flatnonzero(hidden), head.features)
    last = np.maximum(covered[moves].argmin(axis=1) - 1, 0)
    landmarks[moves] = path[moves, last]
    return hidden
