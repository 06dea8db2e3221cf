"""Charts as SVG: positions of marks, round values at the axes."""

import re

import numpy as np
import pytest

from dsat_jax.evaluation.report import charts


@pytest.mark.parametrize(
    ("values", "ends", "ticks"),
    [
        ([0.0, 8.3], (0, 10), [0, 2, 4, 6, 8, 10]),
        ([-0.3, 256.3], (-100, 300), [-100, 0, 100, 200, 300]),
        ([0.41, 0.93, np.nan, np.inf], (0.4, 1), [0.4, 0.6, 0.8, 1]),
        ([], (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_an_axis_contains_all_values_and_ends_at_round_numbers(values, ends, ticks):
    axis = charts.axis_for("x", np.array(values))
    assert (axis.low, axis.high) == pytest.approx(ends)
    assert axis.ticks() == pytest.approx(ticks)


def test_equal_values_have_an_axis_too():
    for value in (0.0, 5.0, -3.0):
        axis = charts.axis_for("x", np.array([value, value]))
        assert axis.low <= value <= axis.high
        assert axis.low < axis.high


def test_an_axis_may_start_at_zero():
    assert charts.axis_for("x", np.array([7.0, 8.0]), start_at_zero=True).low == 0


def test_ticks_are_inside_an_axis_of_any_length():
    assert charts.Axis("channels", 0, 256).ticks() == [0, 100, 200]


def test_marks_are_at_their_positions_and_inside_the_chart():
    chart = charts.Chart(charts.Axis("x", 0, 10), charts.Axis("<y>", 0, 1), "title")
    chart.dots(np.array([0.0, 5.0, 99.0]), np.array([0.0, 0.5, 1.0]), 0, titles=["a", "b & c", "d"])
    chart.bars(np.array([5.0]), np.array([1.0]), 2.0, 1)
    svg = chart.svg()
    x, y = (np.array(re.findall(rf'<circle [^>]*c{name}="([\d.]+)"', svg), float) for name in "xy")
    assert x[1] == pytest.approx((x[0] + x[2]) / 2, abs=0.1)
    assert y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.1)
    assert 0 < x[0] < x[2] < charts.WIDTH
    assert 0 < y[2] < y[0] < charts.HEIGHT
    (width,) = re.findall(r'<rect [^>]*width="([\d.]+)"', svg)
    assert float(width) == pytest.approx((x[2] - x[0]) * 2 / 10, abs=0.1)
    assert "<title>b &amp; c</title>" in svg
    assert "&lt;y&gt;" in svg
