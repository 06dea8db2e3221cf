"""Landmark schemes as data: the one table that knows an index.

A scheme says how many points a face has, which of them swap in a mirror, which polylines bound its parts, and
which points measure its size. Indices are 0-based and follow the dataset's official order.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

BOUNDARY_NAMES = (
    "chin",
    "left_brow",
    "right_brow",
    "nose_bridge",
    "lower_nose",
    "left_eye_upper",
    "left_eye_lower",
    "right_eye_upper",
    "right_eye_lower",
    "upper_lip_upper",
    "upper_lip_lower",
    "lower_lip_upper",
    "lower_lip_lower",
)


@dataclasses.dataclass(frozen=True)
class Scheme:
    """What is known of one landmark scheme.

    "Left" is the left of the picture, as in the datasets' own tables: the person's right.

    Attributes:
      name: key of `SCHEMES`.
      num_points: number of landmarks N.
      mirror_pairs: pairs of landmarks that a mirror exchanges; the others stay.
      boundaries: landmark indices of the 13 polylines, in the order of `BOUNDARY_NAMES`.
      eye_corners: the two outer eye corners; their distance is the inter-ocular normaliser.
      pupils: landmarks whose mean is the left and the right pupil; their distance is the inter-pupil normaliser.
      lines: polylines to draw, closed where the last index repeats the first.
    """

    name: str
    num_points: int
    mirror_pairs: tuple[tuple[int, int], ...]
    boundaries: tuple[tuple[int, ...], ...]
    eye_corners: tuple[int, int]
    pupils: tuple[tuple[int, ...], tuple[int, ...]]
    lines: tuple[tuple[int, ...], ...]

    @property
    def mirror_permutation(self) -> np.ndarray:
        """int32 [num_points]; mirrored landmark i is landmark `permutation[i]` of the unmirrored face."""
        return _permutation(self.num_points, self.mirror_pairs)

    @property
    def boundary_mirror_permutation(self) -> np.ndarray:
        """int32 [boundaries]; the boundary that a mirror puts in each boundary's place.

        A mirror keeps the shape of the set of points of a boundary: its mirrored indices are another boundary's.
        """
        point = self.mirror_permutation
        sets = [frozenset(boundary) for boundary in self.boundaries]
        return np.array([sets.index(frozenset(point[list(b)].tolist())) for b in self.boundaries], np.int32)

    @property
    def channel_mirror_permutation(self) -> np.ndarray:
        """int32 [num_points + boundaries]; the mirror permutation of heatmap channels."""
        return np.concatenate([self.mirror_permutation, self.num_points + self.boundary_mirror_permutation])


def _permutation(size: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    permutation = np.arange(size, dtype=np.int32)
    for a, b in pairs:
        permutation[a], permutation[b] = b, a
    return permutation


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Reads `"17-26 18-25"`."""
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


def _contour(last: int) -> tuple[tuple[int, int], ...]:
    """Pairs i and last - i of the face contour 0..last."""
    return tuple((i, last - i) for i in range(last // 2))


def _run(first: int, last: int, *then: int) -> tuple[int, ...]:
    """The landmarks first..last, inclusive, and those that continue the line."""
    return (*range(first, last + 1), *then)


WFLW_98 = Scheme(
    name="wflw_98",
    num_points=98,
    mirror_pairs=_contour(32)
    + _pairs("33-46 34-45 35-44 36-43 37-42 38-50 39-49 40-48 41-47 55-59 56-58")
    + _pairs("60-72 61-71 62-70 63-69 64-68 65-75 66-74 67-73")
    + _pairs("76-82 77-81 78-80 83-87 84-86 88-92 89-91 93-95 96-97"),
    boundaries=(
        _run(0, 32),
        _run(33, 37),
        _run(42, 46),
        _run(51, 54),
        _run(55, 59),
        _run(60, 64),
        _run(64, 67, 60),
        _run(68, 72),
        _run(72, 75, 68),
        _run(76, 82),
        _run(88, 92),
        _run(92, 95, 88),
        _run(82, 87, 76),
    ),
    eye_corners=(60, 72),
    pupils=((96,), (97,)),
    lines=(
        _run(0, 32),
        _run(33, 41, 33),
        _run(42, 50, 42),
        _run(51, 54),
        _run(55, 59),
        _run(60, 67, 60),
        _run(68, 75, 68),
        _run(76, 87, 76),
        _run(88, 95, 88),
    ),
)

W300_68 = Scheme(
    name="w300_68",
    num_points=68,
    mirror_pairs=_contour(16)
    + _pairs("17-26 18-25 19-24 20-23 21-22 31-35 32-34 36-45 37-44 38-43 39-42 40-47 41-46")
    + _pairs("48-54 49-53 50-52 55-59 56-58 60-64 61-63 65-67"),
    boundaries=(
        _run(0, 16),
        _run(17, 21),
        _run(22, 26),
        _run(27, 30),
        _run(31, 35),
        _run(36, 39),
        _run(39, 41, 36),
        _run(42, 45),
        _run(45, 47, 42),
        _run(48, 54),
        _run(60, 64),
        _run(64, 67, 60),
        _run(54, 59, 48),
    ),
    eye_corners=(36, 45),
    pupils=(_run(36, 41), _run(42, 47)),
    lines=(
        _run(0, 16),
        _run(17, 21),
        _run(22, 26),
        _run(27, 30),
        _run(31, 35),
        _run(36, 41, 36),
        _run(42, 47, 42),
        _run(48, 59, 48),
        _run(60, 67, 60),
    ),
)

SCHEMES = {scheme.name: scheme for scheme in (WFLW_98, W300_68)}
