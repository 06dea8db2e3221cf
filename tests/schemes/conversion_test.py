"""Conversions between landmark schemes."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import schemes
from dsat_jax.schemes import COFW_29, JD_106, SCHEMES, W300_68, WFLW_98


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            WFLW_98,
            "0-0 1-2 8-16 16-32 17-33 21-37 22-42 26-46 27-51 30-54 31-55 33-57 35-59 36-60 37-61 38-63 39-64 40-65 "
            "41-67 42-68 43-69 44-71 45-72 46-73 47-75 48-76 51-79 54-82 57-85 59-87 60-88 62-90 64-92 67-95",
        ),
        (
            JD_106,
            "0-0 1-2 8-16 16-32 17-33 21-37 22-42 26-46 27-51 30-54 31-58 33-60 35-62 36-66 37-67 38-69 39-70 40-71 "
            "41-73 42-75 43-76 44-78 45-79 46-80 47-82 48-84 51-87 54-90 57-93 59-95 60-96 62-98 64-100 67-103",
        ),
    ],
    ids=["wflw_98", "jd_106"],
)
def test_conversion_to_68_by_hand(source, expected):
    points = np.stack([np.arange(source.num_points), -np.arange(source.num_points)], axis=-1)[None]
    converted = schemes.convert(points, source, W300_68)
    assert converted.shape == (1, 68, 2)
    for pair in expected.split():
        target, index = (int(number) for number in pair.split("-"))
        np.testing.assert_array_equal(converted[0, target], [index, -index])
    np.testing.assert_array_equal(schemes.convert(jnp.asarray(points), source, W300_68), converted)


@pytest.mark.parametrize(
    ("source", "target"), schemes.CONVERSIONS, ids=[" to ".join(names) for names in schemes.CONVERSIONS]
)
def test_conversion_keeps_mirrors_parts_and_normalisers(source, target):
    source, target = SCHEMES[source], SCHEMES[target]
    indices = schemes.conversion_indices(source, target)
    assert len(set(indices.tolist())) == target.num_points
    np.testing.assert_array_equal(
        source.mirror_permutation[indices], indices[target.mirror_permutation]
    )  # mirroring and converting commute
    for ours, theirs in zip(target.boundaries, source.boundaries, strict=True):
        assert set(indices[list(ours)].tolist()) <= set(theirs)
        assert (indices[ours[0]], indices[ours[-1]]) == (theirs[0], theirs[-1])
    assert tuple(indices[list(target.eye_corners)]) == source.eye_corners


def test_conversion_to_the_same_scheme_changes_nothing_and_to_an_unrelated_one_is_refused():
    points = np.random.default_rng(0).normal(size=(2, 29, 2))
    np.testing.assert_array_equal(schemes.convert(points, COFW_29, COFW_29), points)
    with pytest.raises(
        ValueError,
        match="landmarks of cofw_29 cannot be converted to w300_68; it has 15 of the 68 landmarks; known",
    ):
        schemes.convert(points, COFW_29, W300_68)
