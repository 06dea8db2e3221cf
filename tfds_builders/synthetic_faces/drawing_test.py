"""Whole faces: landmarks and visibility fit the drawing, and the same seed gives the same face."""

import dataclasses

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces import drawing, parameters
from tfds_builders.synthetic_faces.parameters import ATTRIBUTES, SIZE, Parameters, Photo
from tfds_builders.synthetic_faces.portrait import Portrait

PLAIN = Parameters(photo=Photo(noise=0.0))
COUNT = 24


@pytest.fixture(scope="module")
def sampled() -> list[tuple[Parameters, drawing.Drawing]]:
    drawn = (parameters.sample(np.random.default_rng([5, 0, index])) for index in range(COUNT))
    return [(chosen, drawing.draw(chosen)) for chosen in drawn]


def test_images_and_points_have_the_documented_form(sampled):
    for _, face in sampled:
        assert face.image.shape == (SIZE, SIZE, 3)
        assert face.image.dtype == np.uint8
        assert face.points.shape == (98, 2)
        assert face.points.min() > 4
        assert face.points.max() < SIZE - 5
        assert tuple(face.attributes) == ATTRIBUTES


def test_landmarks_lie_on_the_drawn_face(sampled):
    for chosen, face in sampled:
        outline = Portrait.of(chosen).outline.astype(np.float32)
        for point in face.points[np.r_[:51, 60:98]]:  # a turned nose may extend beyond the cheek
            assert cv2.pointPolygonTest(outline, point.tolist(), True) > -1.0


def test_covered_landmarks_are_marked_as_occluded(sampled):
    for chosen, face in sampled:
        assert set(face.visibility) <= {drawing.VISIBLE, drawing.OCCLUDED}
        hidden = (face.visibility == drawing.OCCLUDED).sum()
        if face.attributes["occlusion"]:
            assert hidden >= drawing.MIN_COVERED
        elif not face.attributes["pose"]:
            assert hidden < drawing.MIN_COVERED + 4
        assert chosen.occluder or not face.attributes["occlusion"]


@pytest.mark.parametrize(
    ("occluder", "covered", "free"),
    [
        ("sunglasses", [62, 66, 70, 74, 96, 97], [54, 79, 85, 16]),
        ("mask", [54, 57, 76, 82, 79, 85, 90], [96, 97, 35, 44]),
        ("scarf", [85, 94, 16, 14, 18], [96, 97, 35, 44, 53]),
    ],
)
def test_occluders_hide_the_landmarks_behind_them(occluder: str, covered: list[int], free: list[int]):
    face = drawing.draw(dataclasses.replace(PLAIN, occluder=occluder))
    assert (face.visibility[covered] == drawing.OCCLUDED).all()
    assert (face.visibility[free] == drawing.VISIBLE).all()
    assert face.attributes["occlusion"]


def test_a_plain_face_is_all_visible():
    face = drawing.draw(PLAIN)
    assert (face.visibility == drawing.VISIBLE).all()
    assert not any(face.attributes.values())


def test_the_mirrored_face_has_mirrored_points():
    for index in range(20):
        chosen = parameters.sample(np.random.default_rng([8, 0, index]))
        points, swapped = Portrait.of(chosen).points, Portrait.of(chosen.mirrored()).points
        expected = geometry.mirror_points(points, SIZE, WFLW_98.mirror_permutation)
        np.testing.assert_allclose(swapped, expected, atol=1e-6)


def test_the_pupil_is_drawn_at_its_landmark():
    face = drawing.draw(
        dataclasses.replace(PLAIN, look=dataclasses.replace(PLAIN.look, iris=(120, 160, 200)))
    )
    for index in (96, 97):
        x, y = face.points[index]
        window = np.s_[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        dark = np.clip(70.0 - face.image[window].max(axis=-1), 0, None)
        rows, columns = np.mgrid[window]
        centre = np.array([(dark * columns).sum(), (dark * rows).sum()]) / dark.sum()
        np.testing.assert_allclose(centre, [x, y], atol=0.6)


def test_the_jaw_is_an_edge_in_the_image():
    face = drawing.draw(PLAIN)
    grey = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    for index in range(12, 21):
        outwards = face.points[index] - face.points[57]
        outwards /= np.linalg.norm(outwards)
        inside, outside = (face.points[index] + step * outwards for step in (-2.5, 1.5))
        values = [cv2.getRectSubPix(grey, (1, 1), tuple(map(float, at)))[0, 0] for at in (inside, outside)]
        assert values[0] - values[1] > 8  # the neck is in the shadow of the jaw


def test_the_same_seed_split_and_index_give_the_same_face():
    first, again = drawing.draw_face(3, 1, 7), drawing.draw_face(3, 1, 7)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    for other in (drawing.draw_face(4, 1, 7), drawing.draw_face(3, 0, 7), drawing.draw_face(3, 1, 8)):
        assert np.abs(other.points - first.points).max() > 1
