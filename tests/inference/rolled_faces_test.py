"""The Predictor on rolled faces, with a network whose answer is known: five landmarks at dots of five colours."""

import cv2
import numpy as np
import pytest

from dsat_jax import five_points, geometry
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import Predictor
from dsat_jax.schemes import Scheme

SIZE = 64
FIVE = Scheme(
    "five", 5, mirror_pairs=((0, 1), (3, 4)), boundaries=(), eye_corners=(0, 1), pupils=((0,), (1,)), lines=(),
    nose_tip=2, mouth_corners=(3, 4),
)  # fmt: skip
# Of the points of `FIVE`.
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])


class FiveColours:
    """Finds the centres of five dots of known colours, and keeps the points of every call in `found`."""

    def __init__(self) -> None:
        self.found: list[np.ndarray] = []

    def __call__(self, crops: np.ndarray, mirror: bool) -> Landmarks:
        del mirror
        distance = np.abs(crops[..., None, :].astype(int) - COLOURS).max(axis=-1)  # [batch, height, width, 5]
        weight = np.clip(100 - distance, 0, None) + 1e-6
        share = weight / weight.sum(axis=(1, 2), keepdims=True)
        y, x = np.mgrid[:SIZE, :SIZE]
        points = np.stack([np.einsum("bhwk,hw->bk", share, axis) for axis in (x, y)], axis=-1)
        self.found.append(points)
        return Landmarks(points.astype(np.float32), None, None)


def rolled_face(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """An image of 300 x 300 px with five dots at the template, twice as large and turned, and their positions."""
    points = 2 * (five_points.TEMPLATE - five_points.TEMPLATE.mean(axis=0))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    points = points @ np.array([[cos, sin], [-sin, cos]]) + [150.0, 140.0]
    image = np.zeros((300, 300, 3), np.uint8)
    for colour, point in zip(COLOURS.tolist(), points, strict=True):
        centre = np.round(point * 16).astype(int).tolist()
        cv2.circle(image, centre, 8 * 16, colour, cv2.FILLED, cv2.LINE_AA, shift=4)
    return image, points


@pytest.mark.parametrize("degrees", [0, 25, -60, 170])
def test_the_refinement_pass_sees_a_rolled_face_upright(degrees):
    """The first crop has the sides of the image; the second is turned with the face, which fills it."""
    image, points = rolled_face(degrees)
    network = FiveColours()
    (face,) = Predictor(network, FIVE, SIZE, 0.25)(image, [[60, 50, 240, 230]])
    first, second = (five_points.roll_of(found[0]) for found in network.found)
    assert first == pytest.approx(np.deg2rad(degrees), abs=0.03)
    assert second == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(face.landmarks, points, atol=1.0)
    assert face.roll == 0  # that of the given box
    # The eyes and the mouth of the template are 41 px apart, the eyes 35: the crop is as large as 1.5 x 38 of them.
    heights = network.found[1][0][:, 1]
    assert np.ptp(heights) == pytest.approx(SIZE * 41 / (1.5 * 38), abs=3)


def test_a_detection_with_a_roll_is_seen_upright_at_once():
    image, points = rolled_face(40)
    roll = np.deg2rad(40)
    found = Detections(
        five_points.landmark_box(points, roll)[None], np.array([roll]), np.array([0.75]), points[None]
    )
    network = FiveColours()
    (face,) = Predictor(network, FIVE, SIZE, 0.25, lambda _: found)(image, looks=1)
    assert len(network.found) == 1
    assert five_points.roll_of(network.found[0][0]) == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(face.landmarks, points, atol=1.0)
    np.testing.assert_allclose(face.five_points, face.landmarks)
    assert face.roll == pytest.approx(roll)
    assert face.score == 0.75
    np.testing.assert_array_equal(face.box, found.boxes[0])
    np.testing.assert_allclose(face.bounds, geometry.box_of_rolled(face.box, roll))
