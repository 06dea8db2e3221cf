"""Records: one face as every dataset stores it, written by the builders and read by the input pipeline.

In: a picture with its annotation (landmarks, visibility, face box). Out: a dictionary of arrays in pixels of the stored
image, with the transform that leads back to the original picture. Needs NumPy, OpenCV and Pillow only.
"""

from dsat_jax.records.face_cut import CUT_SIDE, REACH, cut_face
from dsat_jax.records.record import (
    JPEG_QUALITY,
    OCCLUDED,
    UNKNOWN,
    VISIBLE,
    DamagedRecord,
    decode_picture,
    make_record,
)

__all__ = [
    "CUT_SIDE",
    "JPEG_QUALITY",
    "OCCLUDED",
    "REACH",
    "UNKNOWN",
    "VISIBLE",
    "DamagedRecord",
    "cut_face",
    "decode_picture",
    "make_record",
]
