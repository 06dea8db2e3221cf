"""What every builder stores of a face in TFDS's terms: the features and the two configurations.

A builder gathers raw annotations; `make_record` turns one face into a record. The configuration `faces` (the
default) stores the face cut out of its picture with a wide margin; `original` stores the picture as it is.
"""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import records


class EncodedPicture(io.BytesIO):
    """The bytes of an image file, which are given up when they are read: TFDS keeps all records of a shard."""

    def read(self, size: int | None = -1) -> bytes:
        """All bytes, once."""
        data = super().read(size)
        self.close()
        return data


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
        description=f"Each face cut out of its picture with a wide margin, at most {records.CUT_SIDE} px, as JPEG.",
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


def make_record(config: FacesConfig, **face: Any) -> dict[str, object]:
    """One face as the dictionary that a builder yields.

    Args:
      config: one of `CONFIGS`.
      **face: the other arguments of `records.make_record`.

    Returns:
      The values of `features`.

    Raises:
      DamagedRecord: see `records.make_record`.
    """
    record = records.make_record(cut=config.cut, **face)
    return {**record, "image": EncodedPicture(record["image"])}
