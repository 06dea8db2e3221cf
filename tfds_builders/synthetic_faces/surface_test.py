"""Shading: brightness computed by hand, and mirrored light."""

import numpy as np
import pytest

from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.head import build_head
from tfds_builders.synthetic_faces.pose import Pose
from tfds_builders.synthetic_faces.surface import Light, shade_skin
from tfds_builders.synthetic_faces.template import Shape

FRONT = np.array([0, 0, 1], np.float32)


def test_a_surface_that_faces_lamp_and_viewer_by_hand():
    light = Light(direction=(0, 0, 3), ambient=0.4, strength=1.5, gloss=0.2)
    assert light.shade(FRONT) == pytest.approx(1.5 * (0.4 + 0.6 + 0.2), rel=1e-6)
    # Turned away from the lamp, only ambient light remains: 0.75 + 0.25 * -1 of it.
    assert light.shade(-FRONT) == pytest.approx(1.5 * 0.4 * 0.5, rel=1e-6)


def test_light_from_the_right_lights_the_right_cheek():
    head, pose = build_head(Shape(), Expression()), Pose(centre=(127.5, 127.5))
    light = Light(direction=(1.0, 0.0, 0.4), ambient=0.2)
    shade = shade_skin(head, pose, light, 256).astype(float)
    assert shade.shape == (256, 256)
    assert shade[120:150, 165:175].mean() > shade[120:150, 80:90].mean() + 30
    mirrored = shade_skin(head, pose, light.mirrored(), 256).astype(float)
    assert np.abs(mirrored[:, ::-1] - shade).mean() < 2
