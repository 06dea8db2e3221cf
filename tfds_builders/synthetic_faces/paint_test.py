"""The brush: sub-pixel edges, covered pixels, colours."""

import numpy as np
import pytest

from tfds_builders.synthetic_faces.curves import dot
from tfds_builders.synthetic_faces.paint import NORMAL_SHADE, Canvas, coverage, mix, ramp

WINDOW = (slice(10, 60), slice(20, 70))


@pytest.mark.parametrize("feather", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("centre", [(45.0, 35.0), (44.3, 35.8)])
def test_a_disc_has_the_centre_and_radius_of_its_outline(centre: tuple[float, float], feather: float):
    alpha = coverage([dot(np.array(centre), 9.0)], WINDOW, feather).astype(np.float64)
    y, x = np.mgrid[WINDOW]
    measured = np.array([(alpha * x).sum(), (alpha * y).sum()]) / alpha.sum()
    np.testing.assert_allclose(measured, centre, atol={0.0: 0.035, 0.5: 0.035, 1.0: 0.05, 3.0: 0.5}[feather])
    radius = np.sqrt(alpha.sum() / (np.pi * 0.984))  # 0.984: the area of a 20-gon in its circle
    assert radius == pytest.approx(9.0, abs=0.21 if feather < 0.8 else 1.5)


def test_half_a_pixel_is_covered_half():
    alpha = coverage([np.array([[29.5, 19.5], [39.0, 19.5], [39.0, 29.5], [29.5, 29.5]])], WINDOW)
    assert alpha[15, 15] == 1.0
    assert alpha[15, 19] == pytest.approx(0.5, abs=0.26)  # x = 39, half of it inside
    assert alpha[15, 9] == pytest.approx(0.0, abs=0.26)


def test_fill_touches_only_its_outline_and_marks_the_cover():
    canvas = Canvas.blank(64)
    canvas.fill(dot(np.array([30.0, 30.0]), 6.0), (200, 100, 50), covers=True)
    assert canvas.image[30, 30].tolist() == [200, 100, 50]
    assert canvas.cover[30, 30] == 255
    assert not canvas.image[:22].any()
    assert not canvas.cover[:22].any()


def test_fill_outside_of_the_image_paints_nothing():
    canvas = Canvas.blank(32)
    canvas.fill(dot(np.array([100.0, 100.0]), 6.0), (255, 255, 255))
    assert not canvas.image.any()


def test_fill_within_another_outline():
    canvas = Canvas.blank(64)
    square = np.array([[20.0, 20], [40, 20], [40, 40], [20, 40]])
    canvas.fill(square, (255, 255, 255), within=square + np.array([12, 0]))
    assert canvas.image[30, 36].tolist() == [255, 255, 255]
    assert not canvas.image[30, 24].any()


def test_ramp_is_the_colour_itself_in_normal_light():
    colours = ramp((200.0, 150.0, 100.0))
    assert colours[NORMAL_SHADE, 0].tolist() == [200, 150, 100]
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert (np.diff(colours[:, 0].astype(int), axis=0) >= 0).all()


def test_mix():
    assert mix((0, 10, 20), (100, 20, 20), 0.25) == (25, 12.5, 20)
