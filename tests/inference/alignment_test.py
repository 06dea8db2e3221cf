"""Aligned faces: positions of the five points, averaging, borders, and errors."""

import dataclasses
import pathlib

import cv2
import numpy as np
import pytest

import dsat_jax
from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import alignment
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import AFLW_19, Scheme

FIVE = [7, 10, 13, 15, 17]  # the five points in AFLW-19


def face_at(points: np.ndarray, scheme: Scheme = AFLW_19) -> Face:
    """A face whose five points are given; its other landmarks are at the origin."""
    landmarks = np.zeros((19, 2))
    landmarks[FIVE] = points
    return Face(np.zeros(4), landmarks, None, None, scheme)


def spots(points: np.ndarray, height: int, width: int, sigma: float) -> np.ndarray:
    """An image with a bright spot at each point."""
    y, x = np.mgrid[:height, :width]
    squares = [np.square(x - px) + np.square(y - py) for px, py in points]
    image = sum(250 * np.exp(-square / (2 * sigma**2)) for square in squares)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def centre_near(image: np.ndarray, point: np.ndarray, reach: float) -> np.ndarray:
    """The centre of the brightness within some pixels of a point."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image[..., 0] * (np.hypot(x - point[0], y - point[1]) < reach)
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


@pytest.mark.parametrize("size", [56, 112, 224])
@pytest.mark.parametrize("scale", [0.7, 4.0], ids=["small", "shrunk"])
def test_the_five_points_of_a_turned_face_are_at_their_places(size: int, scale: float):
    angle = np.deg2rad(50)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (five_points.TEMPLATE - 56) @ linear.T + [300, 280]
    image = spots(points, 560, 600, sigma=2 * scale)
    aligned = alignment.align(image, face_at(points), size)
    assert aligned.shape == (size, size, 3)
    assert aligned.dtype == np.uint8
    expected = (five_points.TEMPLATE + 0.5) * size / 112 - 0.5
    for point in expected:
        np.testing.assert_allclose(centre_near(aligned, point, 7 * size / 112), point, atol=0.1 * size / 56)


def test_the_template_itself_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    np.testing.assert_array_equal(alignment.align(image, face_at(five_points.TEMPLATE)), image)


def test_a_shrunk_checkerboard_is_grey():
    """Bilinear sampling at a scale of 1/8 without averaging would read 2x2 of each 8x8 pixels."""
    image = np.zeros((896, 896, 3), np.uint8)
    image[::8, ::8] = 192  # one of 64 pixels
    points = geometry.resize_points(five_points.TEMPLATE, 8)
    np.testing.assert_array_equal(alignment.align(image, face_at(points)), np.full((112, 112, 3), 3))


def test_pixels_outside_the_image_are_black():
    image = np.full((112, 112, 3), 200, np.uint8)
    aligned = alignment.align(image, face_at(five_points.TEMPLATE - np.array([30, 0])))
    assert (aligned[:, 31:] == 200).all()
    assert not aligned[:, :30].any()


def test_the_package_aligns_files(tmp_path: pathlib.Path):
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "face.png"), image[..., ::-1])  # OpenCV writes BGR
    aligned = dsat_jax.align(tmp_path / "face.png", face_at(five_points.TEMPLATE))
    np.testing.assert_array_equal(aligned, image)


@pytest.mark.parametrize(
    ("points", "scheme", "size", "message"),
    [
        (np.ones((5, 2)), AFLW_19, 112, "expected finite, different positions"),
        (np.full((5, 2), np.nan), AFLW_19, 112, "expected finite, different positions"),
        (five_points.TEMPLATE, AFLW_19, 0, "size is 0, expected a positive whole number"),
        (five_points.TEMPLATE, AFLW_19, 11.5, "size is 11.5, expected a positive whole number"),
        (
            five_points.TEMPLATE,
            dataclasses.replace(AFLW_19, name="mine", nose_tip=None),
            112,
            "the scheme 'mine' does not define the tip of the nose",
        ),
    ],
    ids=["collapsed", "not finite", "no size", "fraction", "custom scheme"],
)
def test_what_cannot_be_aligned_is_refused(points: np.ndarray, scheme: Scheme, size: int, message: str):
    with pytest.raises(UserError, match=message):
        alignment.align(np.zeros((112, 112, 3), np.uint8), face_at(points, scheme), size)
