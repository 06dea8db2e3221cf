"""Records: one face as every dataset stores it, written by the builders and read by the input pipeline.

Input: an image with its annotation (landmarks, visibility, face box). Output: a dictionary of arrays in pixels of the
stored image, with the transform to the original image. The modules import NumPy, OpenCV and Pillow only.
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
