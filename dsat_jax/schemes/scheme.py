"""The definition of a landmark scheme, and the notation of the scheme tables."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

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


class Eyelids(NamedTuple):
    """Landmarks of the opening of an eye.

    Attributes:
      corners: left and right corner of the eye.
      lids: opposite landmarks of the upper and the lower lid, left to right.
    """

    corners: tuple[int, int]
    lids: tuple[tuple[int, int], ...]


class Part(NamedTuple):
    """A scheme within a joint scheme.

    Attributes:
      scheme: the scheme.
      points: landmark of the joint scheme for each landmark of the scheme.
    """

    scheme: "Scheme"
    points: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Definition of a landmark set.

    "Left" is the left side of the image, as in the tables of the datasets: the right side of the person.

    Attributes:
      name: name of the scheme; key of `SCHEMES` for a built-in scheme.
      num_points: number of landmarks N.
      mirror_pairs: pairs of landmarks that a mirror exchanges; each other landmark is its own mirror image.
      boundaries: landmark indices of the 13 polylines, in the order of `BOUNDARY_NAMES`, or none. A scheme with few
        points has boundaries of one point, and several boundaries with the same points.
      eye_corners: the two outer eye corners; their distance is the inter-ocular normaliser.
      pupils: landmarks whose means are the left and the right pupil; their distance is the inter-pupil normaliser.
      lines: polylines to draw, closed where the last index repeats the first.
      nose_tip: tip of the nose; None if the scheme does not define it.
      mouth_corners: left and right corner of the mouth; None if the scheme does not define them.
      chin: lowest point of the chin; None if the scheme does not define it.
      eyelids: lids of the left and the right eye; None if the scheme does not define them.
      same_in_w300: pairs of a landmark and the landmark of `w300_68` at the same position of the face.
      parts: schemes that this scheme joins (see `schemes.joint`); empty for the scheme of a dataset.
    """

    name: str
    num_points: int
    mirror_pairs: tuple[tuple[int, int], ...]
    boundaries: tuple[tuple[int, ...], ...]
    eye_corners: tuple[int, int]
    pupils: tuple[tuple[int, ...], tuple[int, ...]]
    lines: tuple[tuple[int, ...], ...]
    nose_tip: int | None = None
    mouth_corners: tuple[int, int] | None = None
    chin: int | None = None
    eyelids: tuple[Eyelids, Eyelids] | None = None
    same_in_w300: tuple[tuple[int, int], ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def five_points(self) -> tuple[tuple[int, ...], ...] | None:
        """Landmarks whose means are the five points of face alignment; None if the scheme does not define them.

        The five points are the left and the right pupil, the tip of the nose, and the left and the right corner of the
        mouth.
        """
        if self.nose_tip is None or self.mouth_corners is None:
            return None
        left, right = self.mouth_corners
        return (*self.pupils, (self.nose_tip,), (left,), (right,))

    @property
    def mirror_permutation(self) -> np.ndarray:
        """Permutation int32 [num_points]: landmark i of the mirrored face is landmark `permutation[i]` of the face."""
        permutation = np.arange(self.num_points, dtype=np.int32)
        for a, b in self.mirror_pairs:
            permutation[a], permutation[b] = b, a
        return permutation

    @property
    def boundary_mirror_permutation(self) -> np.ndarray:
        """Permutation int32 [boundaries]: the mirror image of each boundary.

        The mirrored landmarks of a boundary are those of another boundary or of itself. Where several boundaries have
        the same landmarks (both lids of an eye with one row of points), they are matched in their order.
        """
        point = self.mirror_permutation
        landmarks = [frozenset(boundary) for boundary in self.boundaries]
        mirrored = [frozenset(point[list(boundary)].tolist()) for boundary in self.boundaries]
        place = {numbered: i for i, numbered in enumerate(_numbered(landmarks))}
        return np.array([place[numbered] for numbered in _numbered(mirrored)], np.int32)

    @property
    def channel_mirror_permutation(self) -> np.ndarray:
        """Mirror permutation of the heatmap channels, int32 [num_points + boundaries]."""
        return np.concatenate([self.mirror_permutation, self.num_points + self.boundary_mirror_permutation])


def _numbered(sets: Sequence[frozenset[int]]) -> list[tuple[frozenset[int], int]]:
    """Returns each set with the number of equal sets before it."""
    return [(members, sets[:i].count(members)) for i, members in enumerate(sets)]


def pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Returns the pairs of a text such as `"17-26 18-25"`."""
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


def contour_pairs(last: int) -> tuple[tuple[int, int], ...]:
    """Returns the pairs (i, last - i) of the face contour 0..last."""
    return tuple((i, last - i) for i in range(last // 2))


def run(first: int, last: int, *then: int) -> tuple[int, ...]:
    """Returns the landmarks first..last, inclusive, followed by further landmarks of the line."""
    return (*range(first, last + 1), *then)
