"""The tables of landmark schemes: mirrors, boundaries, normalisers."""

import dataclasses
import itertools

import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.schemes import AFLW_19, BOUNDARY_NAMES, COFW_29, SCHEMES, W300_68, WFLW_98
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.other_schemes import landmarks_in
from tfds_builders.synthetic_faces.pose import Pose, landmarks
from tfds_builders.synthetic_faces.template import Shape

ALL = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
SIZE = 257  # side of an image whose middle column is 128
ALONE = {
    "cofw_29": {28},
    "aflw_19": {18},
    "jd_106": {74, 83},
}  # chins and centres of eyes, which are on no line

# The released code uses another order of the landmarks of COFW and AFLW. These are the official numbers in that order.
RELEASED_ORDER = {
    "cofw_29": "28 0 4 2 5 3 6 1 7 20 18 21 19 8 12 10 13 11 14 9 15 22 24 23 27 25 26 16 17",
    "aflw_19": "18 0 1 2 3 4 5 13 12 14 6 7 8 9 10 11 15 16 17",
}
RELEASED_BOUNDARIES = {
    "cofw_29": "0|1 2 3|5 6 7|9|10 11 12|13 14 15|15 16 13|17 18 19|19 20 17|21 22 23|25|26|23 24 21",
    "aflw_19": "0|1 2 3|4 5 6|7|8 9|10 11 12|10 11 12|13 14 15|13 14 15|16 17 18|16 17 18|16 17 18|16 17 18",
}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The 98 landmarks of the mean face, seen from the front: float64 [98, 2]."""
    return landmarks(build_head(Shape(), Expression()), Pose(centre=(128.0, 128.0)))


def official(scheme: str, released: str) -> tuple[int, ...]:
    """The official numbers of landmarks in the released code's order."""
    order = RELEASED_ORDER[scheme].split()
    return tuple(int(order[int(index)]) for index in released.split())


@ALL
def test_mirrors_are_involutions(scheme):
    for permutation in (
        scheme.mirror_permutation,
        scheme.boundary_mirror_permutation,
        scheme.channel_mirror_permutation,
    ):
        np.testing.assert_array_equal(permutation[permutation], np.arange(len(permutation)))
        assert sorted(permutation) == list(range(len(permutation)))


def test_a_scheme_may_have_no_boundaries():
    scheme = dataclasses.replace(W300_68, boundaries=())
    assert scheme.boundary_mirror_permutation.shape == (0,)
    np.testing.assert_array_equal(scheme.channel_mirror_permutation, W300_68.mirror_permutation)
    assert scheme.channel_mirror_permutation.dtype == np.int32


@ALL
def test_a_mirror_swaps_the_sides_of_every_named_part(scheme):
    left, right = scheme.eye_corners
    assert scheme.mirror_permutation[left] == right
    names = [BOUNDARY_NAMES[i] for i in scheme.boundary_mirror_permutation]
    swapped = [
        name.replace("left", "?").replace("right", "left").replace("?", "right") for name in BOUNDARY_NAMES
    ]
    assert names == swapped
    assert {int(scheme.mirror_permutation[i]) for i in scheme.pupils[0]} == set(scheme.pupils[1])


@ALL
def test_a_mirror_maps_boundaries_to_boundaries_and_lines_to_lines(scheme):
    """Polylines are compared in either direction; the same landmarks in another order are another shape."""
    point = scheme.mirror_permutation
    for boundary, partner in zip(scheme.boundaries, scheme.boundary_mirror_permutation, strict=True):
        mirrored = tuple(point[list(boundary)].tolist())
        assert scheme.boundaries[partner] in (mirrored, mirrored[::-1])
    segments = {frozenset(pair) for line in scheme.lines for pair in itertools.pairwise(line)}
    assert {frozenset(point[list(pair)].tolist()) for pair in segments} == segments


@ALL
def test_a_symmetric_face_is_its_own_mirror_image(scheme, face):
    points = landmarks_in(face, scheme)
    assert points.shape == (scheme.num_points, 2)
    mirrored = geometry.mirror_points(points, SIZE, scheme.mirror_permutation)
    np.testing.assert_allclose(mirrored, points, atol=1e-9)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + 9 * np.eye(scheme.num_points)
    assert apart.min() > 0.5  # so that any other permutation would fail


@ALL
def test_positions_of_parts_match_their_names(scheme, face):
    points = landmarks_in(face, scheme)
    names = zip(BOUNDARY_NAMES, scheme.boundaries, strict=True)
    centre = {name: points[list(boundary)].mean(axis=0) for name, boundary in names}
    x = {name: float(position[0]) for name, position in centre.items()}
    y = {name: float(position[1]) for name, position in centre.items()}
    for part in ("brow", "eye_upper", "eye_lower"):
        assert x[f"left_{part}"] < 128 - 10
        assert x[f"right_{part}"] == pytest.approx(256 - x[f"left_{part}"])
    for name in set(BOUNDARY_NAMES) - {name for name in BOUNDARY_NAMES if name.startswith(("left", "right"))}:
        assert x[name] == pytest.approx(128)
    downwards = ["left_brow", "left_eye_upper", "left_eye_lower", "lower_nose"]
    downwards += ["upper_lip_upper", "upper_lip_lower", "lower_lip_upper", "lower_lip_lower"]
    heights = [y[name] for name in downwards]
    assert heights == sorted(heights)
    assert y["left_brow"] < y["nose_bridge"] < y["lower_nose"]
    assert points[:, 1].max() == points[list(scheme.boundaries[0]), 1].max()  # the chin is lowest
    corners, pupils = points[list(scheme.eye_corners)], [points[list(p)].mean(axis=0) for p in scheme.pupils]
    assert corners[0, 0] < pupils[0][0] < 128 < pupils[1][0] < corners[1, 0]


@ALL
def test_the_named_landmarks_of_a_drawn_face_are_at_their_places(scheme, face):
    points = landmarks_in(face, scheme)
    mirror = scheme.mirror_permutation
    assert [mirror[scheme.nose_tip], mirror[scheme.chin]] == [scheme.nose_tip, scheme.chin]
    assert mirror[scheme.mouth_corners[0]] == scheme.mouth_corners[1]
    assert points[scheme.chin, 1] == points[:, 1].max()
    mouth_height = points[scheme.mouth_corners[0], 1]
    assert (
        points[scheme.eye_corners[0], 1] < points[scheme.nose_tip, 1] < mouth_height < points[scheme.chin, 1]
    )


@ALL
def test_lids_are_opposite_and_mirrored(scheme, face):
    if scheme.eyelids is None:
        assert scheme is AFLW_19
        return
    points = landmarks_in(face, scheme)
    left, right = scheme.eyelids
    assert scheme.mirror_permutation[list(left.corners)].tolist() == list(right.corners[::-1])
    assert scheme.mirror_permutation[list(left.lids)].tolist() == [list(lids) for lids in right.lids[::-1]]
    assert (left.corners[0], right.corners[1]) == scheme.eye_corners
    for eye in scheme.eyelids:
        x = [
            points[eye.corners[0], 0],
            *(points[list(lids), 0].mean() for lids in eye.lids),
            points[eye.corners[1], 0],
        ]
        assert x == sorted(x)
        for upper, lower in eye.lids:
            assert points[upper, 1] < points[lower, 1]
            # Opposite landmarks are above each other, up to 2 pixels; neighbours on a lid are further apart.
            assert abs(points[upper, 0] - points[lower, 0]) < 2


@ALL
def test_every_landmark_is_drawn_or_a_pupil_and_every_index_exists(scheme):
    drawn = {i for line in scheme.lines for i in line} | {i for group in scheme.pupils for i in group}
    alone = ALONE.get(scheme.name, set())
    assert drawn | alone == set(range(scheme.num_points))
    assert not drawn & alone
    assert max(i for boundary in scheme.boundaries for i in boundary) < scheme.num_points
    assert len(scheme.boundaries) == 13


@pytest.mark.parametrize("scheme", [COFW_29, AFLW_19], ids=["cofw_29", "aflw_19"])
def test_boundaries_are_the_released_ones_in_official_numbers(scheme):
    released = RELEASED_BOUNDARIES[scheme.name].split("|")
    assert scheme.boundaries == tuple(official(scheme.name, boundary) for boundary in released)


def test_mirror_pairs_equal_those_of_the_released_code(recorded):
    flip = recorded("targets.npz")
    for scheme, pairs, relation in (
        (W300_68, flip["flip/pairs_68"], flip["flip/relation_300W"]),
        (WFLW_98, flip["flip/pairs_98"], flip["flip/relation_WFLW"]),
    ):
        permutation = scheme.mirror_permutation
        for a, b in pairs:
            assert permutation[a] == b
        moved = {tuple(row) for row in relation.tolist()}
        assert all((i, int(permutation[i])) in moved for i in range(scheme.num_points))


@pytest.mark.parametrize("scheme", [COFW_29, AFLW_19], ids=["cofw_29", "aflw_19"])
def test_mirror_pairs_are_the_released_ones_in_official_numbers(scheme, recorded):
    relation = recorded("targets.npz")[f"flip/relation_{scheme.name[:4].upper()}"]
    pairs = [official(scheme.name, f"{a} {b}") for a, b in relation]
    assert sorted(pairs) == list(enumerate(scheme.mirror_permutation))
