"""One face as every dataset stores it."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records.face_cut import cut_face

# Values of the field `visibility`.
UNKNOWN = 0  # the landmark has no position; (0, 0) is stored
VISIBLE = 1
OCCLUDED = 2  # hidden by something, but annotated

JPEG_QUALITY = 95


class DamagedRecord(UserError):  # noqa: N818 (it names the state of the data, and builders skip it)
    """A face that cannot be stored: its picture is unreadable or its annotation makes no sense."""


def make_record(
    *,
    cut: bool,
    picture: bytes | np.ndarray,
    landmarks: np.ndarray,
    name: str,
    visibility: np.ndarray | None = None,
    box: np.ndarray | None = None,
    face: int = 0,
    attributes: Mapping[str, bool] | None = None,
) -> dict[str, object]:
    """The record of one face.

    Args:
      cut: whether to store the face cut out of its picture instead of the whole picture.
      picture: the original picture: its file's bytes, or uint8 [height, width, 3] RGB where it has no file.
      landmarks: [N, 2] (x, y) in pixels of the original, pixel centres at integers. Rows of unknown position
        are ignored.
      name: path of the picture relative to the dataset's folder.
      visibility: [N] of UNKNOWN, VISIBLE, OCCLUDED; None where all landmarks are visible.
      box: [4] x_min, y_min, x_max, y_max, the dataset's own face box in pixels of the original; None takes
        the box of the landmarks whose position is known.
      face: which face of that picture, from 0.
      attributes: true-or-false properties that the dataset gives this face; None where it gives none.

    Returns:
      image, the bytes of an image file; landmarks float32 [N, 2] and box float32 [4], pixels of that image; visibility
      uint8 [N]; to_original float64 [2, 3], pixels of that image to pixels of the original; name; face int32; and
      attributes, unless they are None.

    Raises:
      DamagedRecord: if the picture is unreadable, a landmark or the box is not finite, the box has no area, or
        landmarks, box and picture do not lie together.
    """
    label = f"{name}, face {face}" if face else name
    landmarks = np.asarray(landmarks, np.float64)
    visibility = np.full(len(landmarks), VISIBLE) if visibility is None else np.asarray(visibility)
    known = visibility != UNKNOWN
    landmark_box = _landmark_box(landmarks[known], label)
    face_box = landmark_box if box is None else np.asarray(box, np.float64)
    if not _has_area(face_box):
        raise DamagedRecord(
            f"{label}: the face box is {face_box.tolist()}, expected a finite box with an area"
        )
    pixels = decode_picture(picture, label) if isinstance(picture, bytes) else picture
    _check_positions(landmark_box, face_box, pixels.shape[1::-1], label)

    if cut:
        image, to_original = cut_face(
            pixels, [face_box, *([landmark_box] if _has_area(landmark_box) else [])]
        )
        encoded = _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    else:
        to_original = geometry.IDENTITY
        encoded = picture if isinstance(picture, bytes) else _encode(".png", pixels)
    from_original = geometry.invert(to_original)
    positions = geometry.transform_points(from_original, np.where(known[:, None], landmarks, 0.0))
    record = {
        "image": encoded,
        "landmarks": np.where(known[:, None], positions, 0.0).astype(np.float32),
        "visibility": visibility.astype(np.uint8),
        "box": geometry.transform_points(from_original, face_box.reshape(2, 2)).reshape(4).astype(np.float32),
        "to_original": to_original,
        "name": name,
        "face": np.int32(face),
    }
    if attributes is not None:
        record["attributes"] = dict(attributes)
    return record


def decode_picture(data: bytes, name: str) -> np.ndarray:
    """Decodes an image file as annotators saw its raw pixels, that is without its EXIF rotation.

    Args:
      data: contents of the file.
      name: of the file, for the error.

    Returns:
      uint8 [height, width, 3] RGB.

    Raises:
      DamagedRecord: see `image_files.decode`.
    """
    try:
        return image_files.decode(data, upright=False)
    except UserError as error:
        raise DamagedRecord(f"{name}: {error}") from error


def _landmark_box(landmarks: np.ndarray, name: str) -> np.ndarray:
    if not len(landmarks):
        raise DamagedRecord(f"{name}: no landmark has a known position")
    if not np.isfinite(landmarks).all():
        count = int((~np.isfinite(landmarks)).any(axis=1).sum())
        raise DamagedRecord(f"{name}: {count} of {len(landmarks)} landmarks are not finite numbers")
    return geometry.box_of_points(landmarks)


def _has_area(box: np.ndarray) -> bool:
    return bool(np.isfinite(box).all() and (box[2:] > box[:2]).all())


def _check_positions(landmarks: np.ndarray, face: np.ndarray, size: Sequence[int], name: str) -> None:
    """Refuses landmarks and face boxes that are not where the face can be.

    Landmarks of a face at the border lie outside the picture, but not farther than the picture is wide and high.

    Args:
      landmarks: the box [4] of the landmarks.
      face: the face box [4].
      size: width and height of the picture.
      name: of the face.
    """
    picture = f"the picture of {size[0]} x {size[1]} px"
    for what, box in (("landmarks", landmarks), ("the face box", face)):
        if (box[:2] < np.negative(size)).any() or (box[2:] > np.multiply(size, 2)).any():
            raise DamagedRecord(f"{name}: {what} within {box.tolist()}, far outside {picture}")
    if (landmarks[2:] < 0).any() or (landmarks[:2] > np.subtract(size, 1)).any():
        raise DamagedRecord(f"{name}: landmarks within {landmarks.tolist()}, outside {picture}")
    if (face[2:] < landmarks[:2]).any() or (landmarks[2:] < face[:2]).any():
        raise DamagedRecord(
            f"{name}: landmarks within {landmarks.tolist()}, none of them in the face box {face.tolist()}"
        )


def _encode(extension: str, pixels: np.ndarray, parameters: Sequence[int] = ()) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), list(parameters))[1].tobytes()
