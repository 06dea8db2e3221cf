"""Confidences of faces and of boxes without a face."""

import re

import numpy as np
from scipy import stats

from benchmarks import confidence, labelled_faces
from dsat_jax import Predictor, geometry


def test_squares_of_the_background_touch_no_face_and_stay_inside():
    images = [np.zeros((90, 120, 3), np.uint8)] * 30
    face = np.array([[40.0, 20.0, 80.0, 70.0]])
    squares = [found.boxes[0] for _, found in confidence.background(images, [face] * 30)]
    assert len(squares) > 20
    for square in squares:
        assert not geometry.box_overlaps(square[None], face).any()
        assert (square >= 0).all()
        assert (square[2:] <= (120, 90)).all()
        np.testing.assert_allclose(square[2] - square[0], square[3] - square[1])


def test_a_photograph_without_room_is_left_out():
    image = np.zeros((50, 50, 3), np.uint8)
    assert not list(confidence.background([image], [np.array([[0.0, 0.0, 50.0, 50.0]])]))


def test_drawn_images_and_noise_differ_and_repeat():
    for make in (confidence.drawn, confidence.noise):
        first, again = (np.stack([image for image, _ in make(3)]) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert (first[0] != first[1]).any()
        _, found = next(make(1))
        np.testing.assert_array_equal(found.boxes, [[0, 0, first.shape[2], first.shape[1]]])


def test_the_limit_is_midway_and_the_correlation_that_of_the_faces(network_path, tiny_dataset, capsys):
    split = "synthetic_faces/tiny:test[:5]"
    confidence.main([str(network_path), f"--split={split}", f"--data_dir={tiny_dataset}"])
    cells = capsys.readouterr().out.splitlines()[-1].split("|")[2:-1]
    numbers = [[float(number) for number in re.findall(r"-?\d+\.\d+", cell)] for cell in cells]
    faces, *others, limit, rho = numbers
    assert abs(limit[0] - (faces[0] + max(highest for _, highest in others)) / 2) < 0.011

    predictor = Predictor.from_run(network_path)
    records = list(labelled_faces.read_split(split, tiny_dataset))
    found = [predictor(record["image"], record["box"][None])[0] for record in records]
    errors = [
        np.linalg.norm(face.landmarks - record["landmarks"], axis=-1).mean()
        / np.sqrt(np.prod(np.ptp(record["landmarks"], axis=0)))
        for face, record in zip(found, records, strict=True)
    ]
    expected = stats.spearmanr([face.confidence for face in found], errors).statistic
    np.testing.assert_allclose(rho[0], expected, atol=0.0051)
