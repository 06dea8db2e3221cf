"""The sampled yaw fits the sampled attributes."""

import numpy as np

from tfds_builders.synthetic_faces.parameters import ATTRIBUTES
from tfds_builders.synthetic_faces.turned import YAW_ATTRIBUTES, sample_turned


def test_turned_faces_have_any_yaw_and_its_attributes():
    drawn = [sample_turned(np.random.default_rng([9, 0, index])) for index in range(600)]
    yaws = np.array([chosen.pose.yaw for chosen in drawn])
    counts, _ = np.histogram(yaws, 6, (-90, 90))
    assert counts.sum() == 600
    assert (np.abs(counts - 100) < 40).all()  # four standard deviations
    assert 22 < max(abs(chosen.pose.pitch) for chosen in drawn) <= 30
    for chosen in drawn:
        assert tuple(chosen.attributes) == (*ATTRIBUTES, *YAW_ATTRIBUTES)
        limit = {"yaw_0_30": 30, "yaw_30_60": 60, "yaw_60_90": 90}
        (name,) = (name for name in YAW_ATTRIBUTES if chosen.attributes[name])
        assert limit[name] - 30 <= abs(chosen.pose.yaw) < limit[name]
        assert chosen.attributes["pose"] == (abs(chosen.pose.yaw) >= 28 or abs(chosen.pose.pitch) >= 17)
