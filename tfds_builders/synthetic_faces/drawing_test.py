"""Whole faces: what they claim of themselves holds, and the same numbers give the same face."""

import dataclasses
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from dsat_jax import geometry
from dsat_jax.schemes import WFLW_98
from tfds_builders.synthetic_faces import drawing, parameters
from tfds_builders.synthetic_faces.parameters import ATTRIBUTES, SHARES, SIZE, Parameters, Photo
from tfds_builders.synthetic_faces.portrait import Portrait
from tfds_builders.synthetic_faces.workers import draw_faces

PLAIN = Parameters(photo=Photo(noise=0.0))
COUNT = 24


@pytest.fixture(scope="module")
def sampled() -> list[tuple[Parameters, drawing.Drawing]]:
    drawn = (parameters.sample(np.random.default_rng([5, 0, index])) for index in range(COUNT))
    return [(chosen, drawing.draw(chosen)) for chosen in drawn]


def test_pictures_and_points_are_whole(sampled):
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
        for point in face.points[np.r_[:51, 60:98]]:  # a turned nose may stand out over the cheek
            assert cv2.pointPolygonTest(outline, point.tolist(), True) > -1.0


def test_visibility_tells_what_is_covered(sampled):
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
def test_occluders_hide_what_they_are_worn_over(occluder: str, covered: list[int], free: list[int]):
    face = drawing.draw(dataclasses.replace(PLAIN, occluder=occluder))
    assert (face.visibility[covered] == drawing.OCCLUDED).all()
    assert (face.visibility[free] == drawing.VISIBLE).all()
    assert face.attributes["occlusion"]


def test_a_plain_face_is_all_visible():
    face = drawing.draw(PLAIN)
    assert (face.visibility == drawing.VISIBLE).all()
    assert not any(face.attributes.values())


def test_attributes_are_true_of_the_parameters():
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


def test_each_attribute_holds_for_a_fair_share():
    drawn = [parameters.sample(np.random.default_rng([7, 0, index])).attributes for index in range(1000)]
    for name in ATTRIBUTES:
        share = np.mean([attributes[name] for attributes in drawn])
        assert share == pytest.approx(SHARES[name], abs=0.05)
        assert 0.1 < share < 0.35


def test_the_mirrored_face_has_mirrored_points():
    for index in range(20):
        chosen = parameters.sample(np.random.default_rng([8, 0, index]))
        points, swapped = Portrait.of(chosen).points, Portrait.of(chosen.mirrored()).points
        expected = geometry.mirror_points(points, SIZE, WFLW_98.mirror_permutation)
        np.testing.assert_allclose(swapped, expected, atol=1e-6)


def test_the_pupil_is_drawn_where_its_landmark_is():
    face = drawing.draw(
        dataclasses.replace(PLAIN, look=dataclasses.replace(PLAIN.look, iris=(120, 160, 200)))
    )
    for index in (96, 97):
        x, y = face.points[index]
        window = np.s_[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        dark = np.clip(70.0 - face.image[window].max(axis=-1), 0, None)
        rows, columns = np.mgrid[window]
        found = np.array([(dark * columns).sum(), (dark * rows).sum()]) / dark.sum()
        np.testing.assert_allclose(found, [x, y], atol=0.6)


def test_the_jaw_is_an_edge_in_the_picture():
    face = drawing.draw(PLAIN)
    grey = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    for index in range(12, 21):
        outwards = face.points[index] - face.points[57]
        outwards /= np.linalg.norm(outwards)
        inside, outside = (face.points[index] + step * outwards for step in (-2.5, 1.5))
        values = [cv2.getRectSubPix(grey, (1, 1), tuple(map(float, at)))[0, 0] for at in (inside, outside)]
        assert values[0] - values[1] > 8  # the neck lies in the shadow of the jaw


def test_the_same_numbers_give_the_same_face():
    first, again = drawing.draw_face(3, 1, 7), drawing.draw_face(3, 1, 7)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    for other in (drawing.draw_face(4, 1, 7), drawing.draw_face(3, 0, 7), drawing.draw_face(3, 1, 8)):
        assert np.abs(other.points - first.points).max() > 1


def test_the_number_of_processes_changes_nothing():
    alone, shared = (
        list(draw_faces(2, 0, [3, 0, 4, 1, 2], processes=0)),
        list(draw_faces(2, 0, [3, 0, 4, 1, 2], processes=2)),
    )
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.visibility, b.visibility)
        assert a.attributes == b.attributes


def test_drawing_processes_load_neither_jax_nor_tfds():
    code = "import sys, tfds_builders.synthetic_faces.workers"
    code += "; print({'jax', 'tensorflow_datasets'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def drawing_processes() -> list[int]:
    """The ids of this process's children that draw."""
    command = ["ps", "-ww", "--ppid", str(os.getpid()), "-o", "pid=,args="]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "synthetic_faces.workers" in line]


def test_the_drawing_processes_have_ended_when_the_last_face_is_given():
    drawings = draw_faces(2, 0, range(4), processes=2)
    next(drawings)
    assert len(drawing_processes()) == 2
    for _ in range(3):
        next(drawings)  # the generator is not asked for a fifth, so that it stays suspended
    assert drawing_processes() == []


def test_a_drawing_process_that_dies_is_an_error_that_names_the_face():
    drawings = draw_faces(2, 0, range(40), processes=2)
    next(drawings)
    for process in drawing_processes():
        os.kill(process, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"the process that draws face \d+ ended with status -9"):
        list(drawings)
