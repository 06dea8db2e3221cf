"""What a landmark scheme is, and the notation its tables are written in."""

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
      boundaries: landmark indices of the 13 polylines, in the order of `BOUNDARY_NAMES`, or none. A scheme with few
        points has boundaries of one point, and boundaries that share all their points.
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
        permutation = np.arange(self.num_points, dtype=np.int32)
        for a, b in self.mirror_pairs:
            permutation[a], permutation[b] = b, a
        return permutation

    @property
    def boundary_mirror_permutation(self) -> np.ndarray:
        """int32 [boundaries]; the boundary that a mirror puts in each boundary's place.

        A boundary's mirrored landmarks are those of another boundary, or its own. Where several boundaries have the
        same landmarks (both edges of an eye with one row of points), the first goes with the first on the other side.
        """
        point = self.mirror_permutation
        landmarks = [frozenset(boundary) for boundary in self.boundaries]
        mirrored = [frozenset(point[list(boundary)].tolist()) for boundary in self.boundaries]
        place = {numbered: i for i, numbered in enumerate(_numbered(landmarks))}
        return np.array([place[numbered] for numbered in _numbered(mirrored)], np.int32)

    @property
    def channel_mirror_permutation(self) -> np.ndarray:
        """int32 [num_points + boundaries]; the mirror permutation of heatmap channels."""
        return np.concatenate([self.mirror_permutation, self.num_points + self.boundary_mirror_permutation])


def _numbered(sets: Sequence[frozenset[int]]) -> list[tuple[frozenset[int], int]]:
    """Each set with the number of equal ones before it."""
    return [(members, sets[:i].count(members)) for i, members in enumerate(sets)]


def pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Reads `"17-26 18-25"`."""
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


def contour_pairs(last: int) -> tuple[tuple[int, int], ...]:
    """Pairs i and last - i of the face contour 0..last."""
    return tuple((i, last - i) for i in range(last // 2))


def run(first: int, last: int, *then: int) -> tuple[int, ...]:
    """The landmarks first..last, inclusive, and those that continue the line."""
    return (*range(first, last + 1), *then)
