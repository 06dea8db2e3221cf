"""The record of a face, as every dataset stores it, and the checks of its annotation."""

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
OCCLUDED = 2  # occluded, but annotated

JPEG_QUALITY = 95


class DamagedRecord(UserError):  # noqa: N818 (the name describes the data; builders skip such a face)
    """A face that cannot be stored, because its image is unreadable or its annotation is inconsistent."""


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
    """Returns the record of one face.

    Args:
      cut: whether to store the face cut out of its image instead of the whole image.
      picture: original image: the content of its file, or uint8 [height, width, 3] RGB if it has no file.
      landmarks: landmarks [N, 2] in original pixels, pixel centres at integers; rows of unknown landmarks are ignored.
      name: path of the image relative to the folder of the dataset.
      visibility: UNKNOWN, VISIBLE or OCCLUDED for each landmark, [N]; None means that all are visible.
      box: face box of the dataset, [4] x_min, y_min, x_max, y_max in original pixels; None means the box of the known
        landmarks.
      face: number of the face in its image, from 0.
      attributes: boolean attributes of the face by name; None if the dataset has none.

    Returns:
      `image`, the content of an image file; `landmarks` float32 [N, 2] and `box` float32 [4] in pixels of that image;
      `visibility` uint8 [N]; `to_original` float64 [2, 3], pixels of that image to original pixels; `name`; `face`
      int32; `attributes`, unless the argument is None.

    Raises:
      DamagedRecord: if the image is unreadable, a landmark or the box is not finite, the box has no area, or the
        positions of landmarks, box and image do not match.
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


def decode_picture(data: bytes, name: str, upright: bool = False) -> np.ndarray:
    """Decodes an image file, by default without its EXIF rotation, because annotations refer to the stored pixels.

    Args:
      data: content of the file.
      name: name of the file, for error messages.
      upright: whether to apply the EXIF rotation.

    Returns:
      Image, uint8 [height, width, 3] RGB.

    Raises:
      DamagedRecord: if `image_files.decode` refuses the image.
    """
    try:
        return image_files.decode(data, upright)
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
    """Refuses landmarks and face boxes at positions that no face of the image can have.

    Landmarks of a face at the border may be outside the image, by at most the width or the height of the image.

    Args:
      landmarks: box of the landmarks [4].
      face: face box [4].
      size: width and height of the image.
      name: name of the face, for error messages.
    """
    image = f"the image of {size[0]} x {size[1]} px"
    for what, box in (("landmarks", landmarks), ("the face box", face)):
        if (box[:2] < np.negative(size)).any() or (box[2:] > np.multiply(size, 2)).any():
            raise DamagedRecord(f"{name}: {what} within {box.tolist()}, far outside {image}")
    if (landmarks[2:] < 0).any() or (landmarks[:2] > np.subtract(size, 1)).any():
        raise DamagedRecord(f"{name}: landmarks within {landmarks.tolist()}, outside {image}")
    if (face[2:] < landmarks[:2]).any() or (landmarks[2:] < face[:2]).any():
        raise DamagedRecord(
            f"{name}: landmarks within {landmarks.tolist()}, none of them in the face box {face.tolist()}"
        )


def _encode(extension: str, pixels: np.ndarray, parameters: Sequence[int] = ()) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), list(parameters))[1].tobytes()
