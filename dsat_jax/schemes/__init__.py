"""Landmark schemes as data; landmark indices appear in this package only.

A scheme defines the number of landmarks of a face, the pairs that a mirror exchanges, the polylines along the facial
parts, and the landmarks of the normalisers. Indices are 0-based, in the official order of the dataset.
"""

from dsat_jax.schemes.conversion import (
    CONVERSIONS,
    can_convert,
    conversion_indices,
    convert,
    correspondence,
    parts_of,
)
from dsat_jax.schemes.joint import choose_part, join, part_for
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
from dsat_jax.schemes.scheme import BOUNDARY_NAMES, Part, Scheme

__all__ = [
    "AFLW_19",
    "BOUNDARY_NAMES",
    "COFW_29",
    "CONVERSIONS",
    "JD_106",
    "SCHEMES",
    "W300_68",
    "WFLW_98",
    "Part",
    "Scheme",
    "as_text",
    "can_convert",
    "choose_part",
    "conversion_indices",
    "convert",
    "correspondence",
    "find",
    "join",
    "part_for",
    "parts_of",
    "read_scheme",
]
