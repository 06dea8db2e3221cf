"""The tables of landmark schemes."""

import numpy as np
import pytest

from dsat_jax.schemes import BOUNDARY_NAMES, SCHEMES, W300_68, WFLW_98

ALL = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


@ALL
def test_mirrors_are_involutions(scheme):
    for permutation in (
        scheme.mirror_permutation,
        scheme.boundary_mirror_permutation,
        scheme.channel_mirror_permutation,
    ):
        np.testing.assert_array_equal(permutation[permutation], np.arange(len(permutation)))


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
def test_every_landmark_is_drawn_or_a_pupil_and_every_index_exists(scheme):
    drawn = {i for line in scheme.lines for i in line}
    assert drawn | {i for group in scheme.pupils for i in group} == set(range(scheme.num_points))
    assert max(i for boundary in scheme.boundaries for i in boundary) < scheme.num_points
    assert len(scheme.boundaries) == 13


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
