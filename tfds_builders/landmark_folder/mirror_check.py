"""Comparison of a scheme's mirror pairs with the faces: the mean face and its mirror image, matched point by point."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from dsat_jax.records import UNKNOWN
from dsat_jax.schemes import Scheme
from tfds_builders.landmark_folder.annotation import Face

_LEAST_FACES = 20  # the mean of fewer faces can be that of a turned head
_MOST_FACES = 500
_ROUNDS = 5
# Distances from a point to the mirror image of its partner, as shares of the face's size: those above _FAR are
# questioned, if another partner is at less than half of it.
_FAR = 0.12


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Pairs that the faces contradict.

    Attributes:
      wrong: points whose partner in the scheme is far from their mirror image.
      suggested: mirror pairs of all points, as the faces have them.
      faces: number of faces that were compared.
    """

    wrong: Sequence[int]
    suggested: Sequence[tuple[int, int]]
    faces: int


def doubt(scheme: Scheme, faces: Iterable[Face]) -> Doubt | None:
    """Returns the doubt about a scheme's mirror pairs; None if there is none, or too few faces have all points."""
    whole = [
        face.landmarks
        for face in faces
        if len(face.landmarks) == scheme.num_points and (face.visibility != UNKNOWN).all()
    ]
    if len(whole) < _LEAST_FACES or scheme.num_points < 2:
        return None
    mean = mean_face(np.array(whole[:: -(-len(whole) // _MOST_FACES)]))
    given = np.asarray(scheme.mirror_permutation)
    found, distances = _matched(mean)
    points = np.arange(len(mean))
    wrong = np.flatnonzero(
        (found != given)
        & (distances[points, given] > _FAR)
        & (2 * distances[points, found] < distances[points, given])
    )
    if not len(wrong):
        return None
    pairs = [(int(a), int(b)) for a, b in enumerate(found) if a < b and found[b] == a]
    return Doubt(wrong.tolist(), pairs, len(whole))


def mean_face(faces: np.ndarray) -> np.ndarray:
    """Returns the mean of faces [faces, points, 2] as [points, 2], with the centre (0, 0) and mean square radius 1."""
    centred = faces - faces.mean(axis=1, keepdims=True)
    sizes = np.sqrt(np.square(centred).sum(axis=2).mean(axis=1))
    mean = (centred / np.maximum(sizes, 1e-9)[:, None, None]).mean(axis=0)
    return mean / np.sqrt(np.square(mean).sum(axis=1).mean())


def _matched(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the partner of each point, [points], and the distances from points to mirrored points, [points, points].

    The mirror image is moved and turned onto the face as the partners say, and the partners are found again.
    """
    mirrored = face * [-1, 1]
    for _ in range(_ROUNDS):
        distances = np.linalg.norm(face[:, None] - mirrored, axis=2)
        partners = linear_sum_assignment(np.square(distances))[1]
        mirrored = _aligned(mirrored, mirrored[partners], face)
    return partners, distances


def _aligned(points: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns points turned and moved as `source` fits `target` best, without a change of size (Kabsch)."""
    centre, aim = source.mean(axis=0), target.mean(axis=0)
    u, _, v = np.linalg.svd((source - centre).T @ (target - aim))
    flip = np.diag([1.0, np.linalg.det(u @ v)])
    return (points - centre) @ (u @ flip @ v) + aim
