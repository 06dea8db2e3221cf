"""Landmark schemes as data: the one place that knows an index.

A scheme says how many points a face has, which of them swap in a mirror, which polylines bound its parts, and
which points measure its size. Indices are 0-based and follow the dataset's official order.
"""

from dsat_jax.schemes.conversion import CONVERSIONS, can_convert, conversion_indices, convert
from dsat_jax.schemes.known import (
    AFLW_19,
    COFW_29,
    JD_106,
    SCHEMES,
    W300_68,
    WFLW_98,
    as_text,
    find,
    read_scheme,
)
from dsat_jax.schemes.scheme import BOUNDARY_NAMES, Scheme

__all__ = [
    "AFLW_19",
    "BOUNDARY_NAMES",
    "COFW_29",
    "CONVERSIONS",
    "JD_106",
    "SCHEMES",
    "W300_68",
    "WFLW_98",
    "Scheme",
    "as_text",
    "can_convert",
    "conversion_indices",
    "convert",
    "find",
    "read_scheme",
]
