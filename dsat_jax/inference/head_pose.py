"""Head pose of a face: yaw, pitch and roll from six landmarks and a generic head, by OpenCV's solvePnP.

Head coordinates: the origin is the tip of the nose, x points to the right side of the image, y to the chin and z into
the head, in millimetres. Camera coordinates are OpenCV's: x to the right, y down, z away from the camera.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.schemes import Scheme

# Outer corners of the eyes, tip of the nose, corners of the mouth, and chin of the mean head. It is the symmetric rigid
# shape with the least squared error over 2,012 annotated faces of the 300W training set (afw, helen, lfpw), whose poses
# are estimated in alternation with it. Size: the outer corners of an adult's eyes are about 90 mm apart. Zero of
# pitch: the median over 603 of these faces agrees with that of MediaPipe's canonical face model.
MODEL = np.array(
    [
        [-45.0, -31.1, 42.2],
        [45.0, -31.1, 42.2],
        [0.0, 0.0, 0.0],
        [-28.4, 36.3, 37.1],
        [28.4, 36.3, 37.1],
        [0.0, 84.7, 33.6],
    ]
)
# Focal length of the distant camera, relative to the size of the face in the image (`_size`). Its perspective is
# negligible; SQPNP refuses focal lengths above 300.
_DISTANT = 100.0


@dataclasses.dataclass(frozen=True)
class HeadPose:
    """Pose of a head: rotation = R_z(roll) R_y(-yaw) R_x(-pitch).

    Attributes:
      yaw: angle in degrees, from -90 to 90, positive if the nose points to the right side of the image.
      pitch: angle in degrees, from -180 to 180, positive if the nose points up.
      roll: angle in degrees, from -180 to 180, positive if the head is turned clockwise in the image.
      rotation: float64 [3, 3], head to camera coordinates; the identity for a head that looks into the camera. Its
        columns are the axes of the head, and their first two rows the axes in the image.
      translation: float64 [3], tip of the nose in camera coordinates, in millimetres for a head of average size; None
        without a camera.
    """

    yaw: float
    pitch: float
    roll: float
    rotation: np.ndarray
    translation: np.ndarray | None


def estimate(
    landmarks: np.ndarray,
    scheme: Scheme,
    image_shape: Sequence[int] | None = None,
    camera: np.ndarray | None = None,
) -> HeadPose:
    """Estimates the pose of a head from its landmarks.

    Without `image_shape` and `camera`, a distant camera looks straight at the face. The pose is then relative to the
    line of sight and does not depend on the position and the size of the face in the image. With either, perspective is
    taken into account, and the pose is relative to the camera's axes: a face near the right edge of the image that
    looks into the camera has a negative yaw.

    Args:
      landmarks: landmarks [points, 2] in pixels.
      scheme: scheme of the landmarks.
      image_shape: shape of the image, (height, width, ...), for the approximate camera of `camera_of`.
      camera: camera matrix [3, 3] of an image without distortion, in pixels; excludes `image_shape`.

    Raises:
      UserError: if the scheme does not define the six landmarks, they are not finite or all equal, or the camera is
        invalid or given twice.
    """
    points = _six_points(landmarks, scheme)
    if image_shape is not None and camera is not None:
        raise UserError("head pose: found both an image shape and a camera matrix, expected one of them")
    if image_shape is not None:
        camera = camera_of(image_shape)
    rotation_vector, translation = _distant_pose(points)
    if camera is not None:
        camera = _checked_camera(camera)
        start = _translation_in(camera, points, translation)
        rotation_vector, translation = cv2.solvePnPRefineLM(
            MODEL, points, camera, None, rotation_vector, start
        )
    rotation = cv2.Rodrigues(rotation_vector)[0]
    yaw, pitch, roll = np.rad2deg(_angles(rotation)).tolist()
    return HeadPose(yaw, pitch, roll, rotation, None if camera is None else translation[:, 0])


def camera_of(image_shape: Sequence[int]) -> np.ndarray:
    """Returns an approximate camera matrix, float64 [3, 3], of an image of shape (height, width, ...).

    The focal length is the longer side of the image, a field of view of 53 degrees. The axis goes through the centre.

    Raises:
      UserError: if the shape is not that of an image.
    """
    size = np.asarray(image_shape[:2])
    if size.shape != (2,) or not np.issubdtype(size.dtype, np.integer) or size.min() < 1:
        raise UserError(f"head pose: the image shape is {image_shape!r}, expected (height, width, ...)")
    height, width = size.astype(np.float64)
    centre_x, centre_y = geometry.resize_points(np.zeros(2), np.array([width, height]))
    focal = max(width, height)
    return np.array([[focal, 0.0, centre_x], [0.0, focal, centre_y], [0.0, 0.0, 1.0]])


def _six_points(landmarks: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns the landmarks of `MODEL`, float64 [6, 2]."""
    if scheme.nose_tip is None or scheme.mouth_corners is None or scheme.chin is None:
        raise UserError(
            f"the scheme {scheme.name!r} does not define the tip of the nose, the corners of the mouth and the chin, "
            "expected a built-in scheme for the head pose"
        )
    indices = [*scheme.eye_corners, scheme.nose_tip, *scheme.mouth_corners, scheme.chin]
    points = np.asarray(landmarks, np.float64)[indices]
    if not np.isfinite(points).all() or (points == points[0]).all():
        raise UserError(
            f"head pose: found the landmarks {points.tolist()}, expected finite, different positions"
        )
    return points


def _checked_camera(camera: np.ndarray) -> np.ndarray:
    matrix = np.asarray(camera, np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise UserError(
            f"head pose: the camera matrix is {matrix.tolist()}, expected [3, 3] with positive focal lengths"
        )
    return matrix


def _size(points: np.ndarray) -> float:
    """Returns the root mean square distance of points [points, dimensions] from their mean."""
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=-1).mean()))


def _distant_pose(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns rotation vector and translation, float64 [3, 1], for a distant camera that looks straight at the face."""
    centred = (points - points.mean(axis=0)) / _size(points)
    camera = np.diag([_DISTANT, _DISTANT, 1.0])
    _, rotation_vector, translation = cv2.solvePnP(MODEL, centred, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    return cv2.solvePnPRefineLM(MODEL, centred, camera, None, rotation_vector, translation)


def _translation_in(camera: np.ndarray, points: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Converts the translation of `_distant_pose` to a camera in which the nose has the same position and size."""
    pixels_per_mm = _size(points) * _DISTANT / translation[2, 0]
    nose = points.mean(axis=0) + pixels_per_mm * translation[:2, 0]
    depth = np.sqrt(camera[0, 0] * camera[1, 1]) / pixels_per_mm
    return depth * np.linalg.solve(camera, np.array([[nose[0]], [nose[1]], [1.0]]))


def _angles(rotation: np.ndarray) -> np.ndarray:
    """Returns yaw, pitch and roll of a rotation matrix in radians, float64 [3]."""
    return np.array(
        [
            np.arctan2(rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0])),
            np.arctan2(-rotation[2, 1], rotation[2, 2]),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )
