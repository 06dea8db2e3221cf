"""Conversion of a drawn face's 98 landmarks to the other schemes, for images, example data and tests.

A landmark that WFLW does not have is the mean of several WFLW landmarks, close to the position of human annotations and
exactly symmetric on a symmetric face. Evaluation uses `schemes.convert`, which invents no landmarks.
"""

import numpy as np

from dsat_jax.schemes import WFLW_98, Scheme, convert

_COFW_29 = (
    "33 46 37+38 42+50 35 39+40 44 48+49 60 72 64 68 62 66 70 74 96 97 55 59 54 57 76 82 79 90 94 85 16"
)
_AFLW_19 = "33 35+35+39+40 37+38 42+50 44+44+48+49 46 60 96 64 68 97 72 55 54 59 76 90+94 82 16"
_JD_106 = (
    "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 "
    "33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 "
    "51+64 53+55+55+64 55+55+55+55+55+64 55 56 57 58 59 59+59+59+59+59+68 53+59+59+68 51+68 "
    "60 61 62 63 64 65 66 67 60+61+62+63+64+65+66+67 68 69 70 71 72 73 74 75 68+69+70+71+72+73+74+75 "
    "76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97"
)
_MEANS = {"cofw_29": _COFW_29, "aflw_19": _AFLW_19, "jd_106": _JD_106}


def landmarks_in(points: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Landmarks of a drawn face in a scheme.

    Args:
      points: [..., 98, 2] WFLW landmarks, see `drawing.draw`.
      scheme: target scheme, one of `schemes.SCHEMES`.

    Returns:
      [..., N, 2].
    """
    if scheme.name not in _MEANS:
        return convert(points, WFLW_98, scheme)
    groups = [[int(index) for index in group.split("+")] for group in _MEANS[scheme.name].split()]
    return np.stack([points[..., group, :].mean(axis=-2) for group in groups], axis=-2)
