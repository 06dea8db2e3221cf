"""Random sampling of faces of any yaw, from the left to the right profile."""

import dataclasses

import numpy as np

from tfds_builders.synthetic_faces.parameters import Parameters, sample

YAW_ATTRIBUTES = {"yaw_0_30": (0, 30), "yaw_30_60": (30, 60), "yaw_60_90": (60, 90)}  # degrees
HEAD_DEPTHS = (1.4, 1.75)


def sample_turned(random: np.random.Generator) -> Parameters:
    """Samples the parameters of one image of a face of any yaw, and its `YAW_ATTRIBUTES`."""
    parameters = sample(random)
    yaw, pitch = random.uniform(-90, 90), np.clip(random.normal(0, 12), -30, 30)
    turn = abs(yaw)
    yaws = {name: low <= turn < high for name, (low, high) in YAW_ATTRIBUTES.items()}
    return dataclasses.replace(
        parameters,
        pose=dataclasses.replace(parameters.pose, yaw=float(yaw), pitch=float(pitch)),
        head_depth=random.uniform(*HEAD_DEPTHS),  # a profile shows the depth that a front view hardly shows
        attributes=parameters.attributes | {"pose": bool(turn >= 28 or abs(pitch) >= 17)} | yaws,
    )
