"""Eye aspect ratio: the published formula, drawn eyes, and errors."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.errors import UserError
from dsat_jax.inference.eye_openness import eye_aspect_ratio
from dsat_jax.schemes import AFLW_19, COFW_29, SCHEMES, W300_68, Scheme
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.other_schemes import landmarks_in
from tfds_builders.synthetic_faces.pose import Pose, landmarks
from tfds_builders.synthetic_faces.template import Shape

WITH_LIDS = [scheme for scheme in SCHEMES.values() if scheme.eyelids is not None]
ALL = pytest.mark.parametrize("scheme", WITH_LIDS, ids=lambda scheme: scheme.name)


def drawn(scheme: Scheme, left: float, right: float, roll: float = 0.0) -> np.ndarray:
    head = build_head(Shape(), Expression(eye_open=(left, right)))
    return landmarks_in(landmarks(head, Pose(roll=roll)), scheme)


def test_schemes_with_lids():
    assert {scheme.name for scheme in WITH_LIDS} == {"w300_68", "wflw_98", "jd_106", "cofw_29"}


def test_68_landmarks_follow_the_published_formula():
    """(|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|), with p1 to p6 = 36 to 41 and 42 to 47."""
    points = np.random.default_rng(0).normal(size=(68, 2))
    ratios = eye_aspect_ratio(points, W300_68)
    for ratio, first in ((ratios.left, 36), (ratios.right, 42)):
        p1, p2, p3, p4, p5, p6 = points[first : first + 6]
        expected = (np.hypot(*(p2 - p6)) + np.hypot(*(p3 - p5))) / (2 * np.hypot(*(p1 - p4)))
        assert ratio == pytest.approx(expected, rel=1e-12)


def test_29_landmarks_by_hand():
    points = np.zeros((29, 2))
    points[[8, 10, 12, 13]] = [10, 50], [40, 50], [25, 44], [25, 53]  # 9 high, 30 wide
    points[[9, 11, 14, 15]] = [90, 50], [60, 50], [75, 47], [75, 53]  # 6 high, 30 wide
    assert eye_aspect_ratio(points, COFW_29) == pytest.approx((0.3, 0.2))


@ALL
def test_a_closed_eye_has_a_small_ratio_on_its_side_and_a_turned_face_the_same_ratios(scheme: Scheme):
    both, left_closed = (eye_aspect_ratio(drawn(scheme, left, 1.0), scheme) for left in (1.0, 0.0))
    assert both.left == pytest.approx(both.right)
    assert 0.25 < both.left < 0.5
    assert left_closed.left < 0.06
    assert left_closed.right == pytest.approx(both.right)
    turned = eye_aspect_ratio(drawn(scheme, 0.5, 1.0, roll=70), scheme)
    assert turned == pytest.approx(eye_aspect_ratio(drawn(scheme, 0.5, 1.0), scheme))
    assert left_closed.left < turned.left < both.left


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (AFLW_19, "the scheme 'aflw_19' does not define the lids of the eyes, expected w300_68"),
        (
            dataclasses.replace(W300_68, name="mine", eyelids=None),
            "the scheme 'mine' does not define the lids",
        ),
        (W300_68, "the corners of the left eye coincide"),
    ],
    ids=["aflw", "custom", "collapsed"],
)
def test_landmarks_without_eyes_are_refused(scheme: Scheme, message: str):
    with pytest.raises(UserError, match=message):
        eye_aspect_ratio(np.zeros((68, 2)), scheme)
