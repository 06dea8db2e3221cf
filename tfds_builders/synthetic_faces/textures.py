"""Patterns that are computed once per process: noise and strands of hair."""

import functools

import cv2
import numpy as np

GRAIN = 24  # standard deviation of `grain`


@functools.cache
def grain() -> np.ndarray:
    """Sensor noise with a mean of 128, partly coloured: uint8 [512, 512, 3]."""
    random = np.random.default_rng(1)
    noise = 0.85 * random.normal(size=(512, 512, 1)) + 0.5 * random.normal(size=(512, 512, 3))
    return np.clip(np.rint(128 + GRAIN * noise), 0, 255).astype(np.uint8)


@functools.cache
def pores() -> np.ndarray:
    """Unevenness of the skin, as factors of the brightness times 128: uint8 [512, 512]."""
    return np.rint(128 * (1 + 0.018 * cloud(0.8) + 0.022 * cloud(9.0))).astype(np.uint8)


@functools.cache
def cloud(smoothness: float) -> np.ndarray:
    """Smooth noise of standard deviation 1 whose blobs are `smoothness` pixels wide: float32 [512, 512]."""
    noise = np.random.default_rng(2).normal(size=(512, 512)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), smoothness)
    return noise / noise.std()


@functools.cache
def strands() -> np.ndarray:
    """Wavy strands of hair outwards from the centre, as factors of the brightness times 128: uint8 [512, 512]."""
    random = np.random.default_rng(3)
    layers = []
    for along, across in ((9, 1.2), (12, 3.5), (16, 9.0)):
        noise = random.normal(size=(1024, 96)).astype(np.float32)
        noise = np.concatenate([noise[-64:], noise, noise[:64]])  # periodic in the angle
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=along, sigmaY=across)[64:-64]
        layers.append(noise / noise.std())
    polar = sum(layers)
    y, x = np.mgrid[:512, :512].astype(np.float32) - 255.5
    radius = np.minimum(np.hypot(x, y), 360) / 360
    angle = (
        (np.arctan2(y, x) / (2 * np.pi) + 0.5 + 0.012 * np.sin(11 * radius) + 0.01 * cloud(30.0))
        * 1024
        % 1024
    )
    flow = cv2.remap(polar, radius * 95, angle, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flow *= np.minimum(radius / 0.2, 1)  # strands vanish at the crown, where they would all meet
    return np.clip(128 * (1 + 0.2 * flow / flow.std()), 0, 255).astype(np.uint8)
