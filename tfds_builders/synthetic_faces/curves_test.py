"""Curves through points, and ribbons around lines."""

import numpy as np

from tfds_builders.synthetic_faces.curves import circle, curve, dot, ribbon, taper


def test_curve_goes_through_its_points():
    points = np.array([[0.0, 0.0], [3.0, 1.0], [5.0, -2.0], [9.0, 0.0]])
    np.testing.assert_allclose(curve(points, per_segment=5)[::5], points, atol=1e-12)
    np.testing.assert_allclose(curve(points, closed=True, per_segment=5)[::5], points, atol=1e-12)
    line = curve(np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=-1))
    np.testing.assert_allclose(line[:, 1], 2 * line[:, 0])


def test_ribbon_by_hand():
    outline = ribbon(np.array([[0.0, 0.0], [4.0, 0.0]]), 2.0)
    np.testing.assert_allclose(outline, [[0, 1], [4, 1], [4, -1], [0, -1]])


def test_dot_is_an_ellipse():
    outline = dot(np.array([5.0, 6.0]), 2.0, narrow=0.5) - (5, 6)
    np.testing.assert_allclose((outline[:, 0] / 1.0) ** 2 + (outline[:, 1] / 2.0) ** 2, 1.0)
    assert len(outline) == len(circle())


def test_taper_is_widest_in_the_middle():
    widths = taper(9, 3.0)
    assert widths[4] == 3.0
    assert (np.diff(widths[:5]) > 0).all()
    np.testing.assert_allclose(widths, widths[::-1])
