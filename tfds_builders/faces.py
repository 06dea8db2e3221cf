"""The TFDS side of a record: the features and the two configurations, the same for every builder.

A builder gathers raw annotations; `make_record` turns one face into a record. The configuration `faces` (the
default) stores the face cut out of its image with a wide margin; `original` stores the image as it is.
"""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from dsat_jax import records


class EncodedPicture(io.BytesIO):
    """The bytes of an image file. They are freed once they are read, since TFDS keeps all records of a shard."""

    def read(self, size: int | None = -1) -> bytes:
        """All bytes, once."""
        data = super().read(size)
        self.close()
        return data


@dataclasses.dataclass
class FacesConfig(tfds.core.BuilderConfig):
    """How the images are stored.

    Attributes:
      cut: whether to store the face cut out of its image instead of the whole image.
    """

    cut: bool = True


CONFIGS = [
    FacesConfig(
        name="faces",
        description=f"Each face cut out of its image with a wide margin, at most {records.CUT_SIDE} px, as JPEG.",
        cut=True,
    ),
    FacesConfig(name="original", description="The whole images, their files untouched.", cut=False),
]


def features(num_points: int | None, attributes: Sequence[str] = ()) -> tfds.features.FeaturesDict:
    """The features of a record, the same for every builder.

    Args:
      num_points: number of landmarks N of the dataset's scheme; None if only the built data determines it.
      attributes: names of the boolean attributes of each face; without any, the record has no key `attributes`.

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
            shape=(2, 3), dtype=np.float64, doc="Pixels of `image` to pixels of the original image."
        ),
        "name": tfds.features.Text(doc="Path of the original image, relative to the dataset's folder."),
        "face": tfds.features.Scalar(dtype=np.int32, doc="Which face of that image, from 0."),
    }
    if attributes:
        spec["attributes"] = tfds.features.FeaturesDict(
            {name: tfds.features.Scalar(dtype=np.bool_) for name in attributes}
        )
    return tfds.features.FeaturesDict(spec)


def make_record(config: FacesConfig, **face: Any) -> dict[str, object]:
    """Returns the record of one face as a builder yields it.

    Args:
      config: one of `CONFIGS`.
      **face: remaining arguments of `records.make_record`.

    Returns:
      The values of `features`.

    Raises:
      DamagedRecord: see `records.make_record`.
    """
    record = records.make_record(cut=config.cut, **face)
    return {**record, "image": EncodedPicture(record["image"])}
