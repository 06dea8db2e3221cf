"""The sampled parameters fit the sampled attributes."""

import numpy as np
import pytest

from tfds_builders.synthetic_faces import parameters
from tfds_builders.synthetic_faces.parameters import ATTRIBUTES, SHARES


def test_the_attributes_describe_the_parameters():
    for index in range(300):
        chosen = parameters.sample(np.random.default_rng([6, 0, index]))
        turned = abs(chosen.pose.yaw) >= 28 or abs(chosen.pose.pitch) >= 17
        assert turned == chosen.attributes["pose"]
        assert (chosen.makeup is not None) == chosen.attributes["makeup"]
        assert (chosen.occluder is not None) == chosen.attributes["occlusion"]
        assert (chosen.photo.blur > 1.0 or chosen.photo.motion > 0) == chosen.attributes["blur"]
        mild = abs(chosen.light.strength - 1.075) <= 0.125 and chosen.light.ambient >= 0.45
        assert mild != chosen.attributes["illumination"]
        expression = chosen.expression
        strongest = max(
            expression.jaw_open,
            expression.pucker,
            expression.frown,
            *np.abs(expression.smile),
            *(1 - np.array(expression.eye_open)),
        )
        assert (strongest >= 0.7) == chosen.attributes["expression"]


def test_each_attribute_has_its_documented_share():
    drawn = [parameters.sample(np.random.default_rng([7, 0, index])).attributes for index in range(1000)]
    for name in ATTRIBUTES:
        share = np.mean([attributes[name] for attributes in drawn])
        assert share == pytest.approx(SHARES[name], abs=0.05)
        assert 0.1 < share < 0.35
