"""The head: its symmetry, and the effects of identity and expression."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import base_depth, build_head
from tfds_builders.synthetic_faces.template import Shape

ODD = Expression(
    jaw_open=0.4, smile=(0.9, -0.3), brow_raise=(0.5, -0.5), frown=0.3, eye_open=(0.2, 1.2), gaze=(0.6, -0.2)
)
SHAPES = [
    Shape(),
    *(dataclasses.replace(Shape(), **{field.name: 1.5}) for field in dataclasses.fields(Shape)),
]


def mirrored(points: np.ndarray) -> np.ndarray:
    """Points [98, 3] of the mirrored head."""
    return points[WFLW_98.mirror_permutation] * (-1, 1, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_identity_is_symmetric(shape: Shape):
    points = build_head(shape, Expression()).points
    np.testing.assert_allclose(mirrored(points), points, atol=1e-9)


def test_a_mirrored_expression_mirrors_the_head():
    shape = Shape(eye_tilt=1.0, brow_tilt=-1.0, mouth_width=1.0)
    points, swapped = build_head(shape, ODD).points, build_head(shape, ODD.mirrored()).points
    np.testing.assert_allclose(mirrored(points), swapped, atol=1e-9)
    assert np.abs(points - swapped).max() > 3


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_every_identity_differs_from_the_mean(shape: Shape):
    assert (
        np.abs(build_head(shape, Expression()).points - build_head(Shape(), Expression()).points).max() > 0.5
    )


def test_contour_points_are_equally_spaced_in_front_view():
    contour = build_head(Shape(jaw_width=1.0), Expression()).points[:33, :2]
    steps = np.hypot(*np.diff(contour, axis=0).T)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.02)


def test_open_jaw_lowers_the_chin_and_parts_the_lips():
    closed, wide = (build_head(Shape(), Expression(jaw_open=amount)).points for amount in (0.0, 1.0))
    assert wide[16, 1] - closed[16, 1] == pytest.approx(21.0, abs=0.1)
    assert closed[94, 1] - closed[90, 1] < 2
    assert wide[94, 1] - wide[90, 1] > 18
    np.testing.assert_allclose(wide[33:76, :2], closed[33:76, :2], atol=1e-9)  # brows, nose and eyes stay


def test_closed_lids_meet():
    points = build_head(Shape(), Expression(eye_open=(0.0, 1.0))).points
    assert np.abs(points[[61, 62, 63], 1] - points[[67, 66, 65], 1]).max() < 3
    assert points[74, 1] - points[70, 1] > 9


def test_pupils_stay_between_the_lids():
    for gaze in ((-1, -1), (1, 1)):
        for openness in (0.0, 0.3, 1.3):
            points = build_head(Shape(), Expression(eye_open=(openness, openness), gaze=gaze)).points
            assert points[61:64, 1].min() - 1e-9 <= points[96, 1] <= points[65:68, 1].max() + 1e-9
            assert points[60, 0] < points[96, 0] < points[64, 0]


def test_base_depth_spans_edge_and_midline():
    rows = np.array([[0.0, 10.0, -5.0, 7.0], [2.0, 20.0, -5.0, 7.0]])
    x, y = np.array([0.0, 15.0, -15.0, 99.0, 7.5]), np.ones(5)
    half = -5 + 12 * (1 - 0.5**2.5) ** 0.6
    np.testing.assert_allclose(base_depth(rows, x, y), [7, -5, -5, -5, half])
