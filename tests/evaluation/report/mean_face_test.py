"""The mean face, and the section with the error of each landmark."""

import re

import numpy as np
from made_evaluation import drawn_face, made_evaluation

from dsat_jax.evaluation.report import mean_face
from dsat_jax.evaluation.report.evaluation import distinct_faces


def test_the_mean_of_rotated_and_scaled_faces_is_the_face():
    rng = np.random.default_rng(0)
    face = drawn_face(rng)
    shape = (face[:, 0] + 1j * face[:, 1]) - (face[:, 0] + 1j * face[:, 1]).mean()
    factors = rng.uniform(0.5, 2, 9) * np.exp(1j * np.linspace(-0.4, 0.4, 9))
    moved = shape * factors[:, None] + rng.normal(size=(9, 1)) * 50
    labels = np.stack([moved.real, moved.imag], axis=-1)
    labels[2, 5] = labels[7, 60] = np.nan
    mean, factor, used = mean_face.aligned(labels)
    assert used.all()
    np.testing.assert_allclose(mean, shape / np.sqrt((np.abs(shape) ** 2).mean()), atol=1e-6)
    np.testing.assert_allclose(factor * factors, np.full(9, (factor * factors)[0]), atol=1e-6)


def test_the_mean_offset_is_that_of_the_predictions():
    """Predictions are to the right of the labels; the faces are rotated by at most 10 degrees."""
    evaluation = made_evaluation(faces=20)
    mean, offset, count = mean_face.mean_and_offset(evaluation.results["test"])
    assert count == 20
    assert mean.shape == offset.shape == (68,)
    assert (offset.real > 5 * np.abs(offset.imag)).all()


def test_every_landmark_has_a_circle_with_its_error():
    evaluation = made_evaluation(faces=6)
    section = mean_face.section(evaluation, distinct_faces(evaluation))
    titles = re.findall(r"<title>landmark (\d+): ([\d.]+) %</title>", section.body)
    assert [int(index) for index, _ in titles] == list(range(68))
    expected = 100 * evaluation.results["test"].errors.mean(axis=0)
    np.testing.assert_allclose([float(error) for _, error in titles], expected, atol=0.006)
    hardest = re.findall(r'<th scope="row">(\d+)</th>', section.body)
    assert [int(index) for index in hardest] == np.argsort(-expected)[:10].tolist()
