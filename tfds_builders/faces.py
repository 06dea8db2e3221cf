"""What every builder stores of a face: the features, the two configurations, and the cut around a face.

A builder gathers raw annotations; `make_record` turns one face into a record. The configuration `faces` (the
default) stores the face cut out of its picture with a wide margin; `original` stores the picture as it is.
"""

import dataclasses
import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import geometry, picture_files

# Values of the feature `visibility`.
UNKNOWN = 0  # the landmark has no position; (0, 0) is stored
VISIBLE = 1
OCCLUDED = 2  # hidden by something, but annotated

CUT_SIDE = 384
JPEG_QUALITY = 95

# How far the cut reaches from the centre of a face box, in sides of the square that `geometry.crop_matrix`
# fits to the box. A training crop of the box enlarged by 12.5 % per side is 1.25 such sides wide. A shift of
# 10 % moves its edge to 0.5 + 0.1 = 0.6 crops from the box's centre; a rotation by 30 degrees carries its
# corner out by cos 30 + sin 30 = 1.366; a scale of 0.9 shows 1 / 0.9 more. 1.25 * 0.6 * 1.366 / 0.9 = 1.138;
# the remaining 1 % is for the half pixels around the outermost pixel centres of the crop.
REACH = 1.15


class EncodedPicture(io.BytesIO):
    """The bytes of an image file, which are given up when they are read: TFDS keeps all records of a shard."""

    def read(self, size: int | None = -1) -> bytes:
        """All bytes, once."""
        data = super().read(size)
        self.close()
        return data


class DamagedRecord(ValueError):  # noqa: N818 (it names the state of the data, and builders skip it)
    """A face that cannot be stored: its picture is unreadable or its annotation makes no sense."""


@dataclasses.dataclass
class FacesConfig(tfds.core.BuilderConfig):
    """How the pictures are stored.

    Attributes:
      cut: store the face cut out of its picture instead of the whole picture.
    """

    cut: bool = True


CONFIGS = [
    FacesConfig(
        name="faces",
        description=f"Each face cut out of its picture with a wide margin, at most {CUT_SIDE} px, as JPEG.",
        cut=True,
    ),
    FacesConfig(name="original", description="The whole pictures, their files untouched.", cut=False),
]


def features(num_points: int | None, attributes: Sequence[str] = ()) -> tfds.features.FeaturesDict:
    """The features of a record, the same for every builder.

    Args:
      num_points: number of landmarks N of the dataset's scheme; None where the data alone tell it.
      attributes: names of the true-or-false properties that the dataset gives each face; without any, the
        record has no key `attributes`.

    Returns:
      image, landmarks [N, 2], visibility [N], box [4], to_original [2, 3], name, face and attributes.
    """
    spec = {
        "image": tfds.features.Image(shape=(None, None, 3), doc="RGB; decode it without its EXIF rotation."),
        "landmarks": tfds.features.Tensor(
            shape=(num_points, 2), dtype=np.float32, doc="(x, y) in pixels of `image`."
        ),
        "visibility": tfds.features.Tensor(
            shape=(num_points,), dtype=np.uint8, doc="0: position unknown, 1: visible, 2: occluded."
        ),
        "box": tfds.features.Tensor(
            shape=(4,), dtype=np.float32, doc="x_min, y_min, x_max, y_max in pixels of `image`."
        ),
        "to_original": tfds.features.Tensor(
            shape=(2, 3), dtype=np.float64, doc="Pixels of `image` to pixels of the original picture."
        ),
        "name": tfds.features.Text(doc="Path of the original picture, relative to the dataset's folder."),
        "face": tfds.features.Scalar(dtype=np.int32, doc="Which face of that picture, from 0."),
    }
    if attributes:
        spec["attributes"] = tfds.features.FeaturesDict(
            {name: tfds.features.Scalar(dtype=np.bool_) for name in attributes}
        )
    return tfds.features.FeaturesDict(spec)


def make_record(
    config: FacesConfig,
    *,
    picture: bytes | np.ndarray,
    landmarks: np.ndarray,
    name: str,
    visibility: np.ndarray | None = None,
    box: np.ndarray | None = None,
    face: int = 0,
    attributes: Mapping[str, bool] | None = None,
) -> dict[str, object]:
    """One face as the dictionary that a builder yields.

    Args:
      config: one of `CONFIGS`; says whether the face is cut out.
      picture: the original picture: its file's bytes, or uint8 [height, width, 3] RGB where it has no file.
      landmarks: [N, 2] (x, y) in pixels of the original, pixel centres at integers. Rows of unknown position
        are ignored.
      name: path of the picture relative to the dataset's folder.
      visibility: [N] of UNKNOWN, VISIBLE, OCCLUDED; None where all landmarks are visible.
      box: [4] x_min, y_min, x_max, y_max, the dataset's own face box in pixels of the original; None takes
        the box of the landmarks whose position is known.
      face: which face of that picture, from 0.
      attributes: the dataset's properties of this face, where `features` was given their names.

    Returns:
      The values of `features`: landmarks and box in pixels of the stored image.

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

    if config.cut:
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
        "image": EncodedPicture(encoded),
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
      DamagedRecord: see `picture_files.decode`.
    """
    try:
        return picture_files.decode(data, upright=False)
    except ValueError as error:
        raise DamagedRecord(f"{name}: {error}") from error


def cut_face(picture: np.ndarray, boxes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a face out, so wide that no training crop around its boxes looks outside the cut (see `REACH`).

    The cut ends where the picture ends. It is scaled down, by area, to at most `CUT_SIDE` px, never enlarged.

    Args:
      picture: uint8 [height, width, 3].
      boxes: each [4] x_min, y_min, x_max, y_max with some area.

    Returns:
      The cut, uint8 [cut height, cut width, 3], and float64 [2, 3], pixels of the cut to pixels of the
      picture. Both sides are rounded to whole pixels, so its two scales can differ in the third digit.
    """
    height, width = picture.shape[:2]
    views = np.stack([_view(box) for box in boxes])
    last = [width - 1, height - 1]
    x_min, y_min = np.clip(np.floor(views[:, :2].min(axis=0)), 0, last).astype(int)
    x_max, y_max = np.clip(np.ceil(views[:, 2:].max(axis=0)), 0, last).astype(int)
    cut = picture[y_min : y_max + 1, x_min : x_max + 1]

    rows, columns = cut.shape[:2]
    shrink = min(1.0, CUT_SIDE / max(rows, columns))
    size = (max(1, round(columns * shrink)), max(1, round(rows * shrink)))
    if shrink < 1.0:
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    to_slice = geometry.resize_matrix(columns / size[0], rows / size[1])
    return cut, geometry.compose(np.array([[1.0, 0.0, x_min], [0.0, 1.0, y_min]]), to_slice)


def _view(box: np.ndarray) -> np.ndarray:
    """The square [4] that training crops around a box can show."""
    side = 1 / geometry.crop_matrix(box, size=2, enlarge=0.0)[0, 0]
    centre = box.reshape(2, 2).mean(axis=0)
    return np.concatenate([centre - REACH * side, centre + REACH * side])


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
