"""The section on the faces with the largest errors."""

import re

import numpy as np
from made_evaluation import made_evaluation

from dsat_jax.evaluation.report import worst_faces
from dsat_jax.evaluation.report.evaluation import distinct_faces


def test_faces_are_in_descending_order_of_their_error():
    evaluation = made_evaluation()
    body = worst_faces.section(evaluation, distinct_faces(evaluation)).body
    names = [int(index) for index in re.findall(r"folder/&lt;(\d+)&gt;\.jpg", body)]
    assert names == np.argsort(-evaluation.results["test"].nme)[: worst_faces.COUNT].tolist()
    assert body.count('src="data:image/jpeg;base64,') == worst_faces.COUNT


def test_labels_are_drawn_at_their_position_in_the_crop():
    """The crop contains the box around the labels with a margin of 0.2, so that they fill 1 / 1.4 of a square box."""
    evaluation = made_evaluation(faces=1)
    body = worst_faces.section(evaluation, distinct_faces(evaluation)).body
    truth = body[body.index('<g class="truth">') : body.index('<g class="prediction">')]
    points = np.array(re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', truth), float)
    assert len(points) == 68
    np.testing.assert_allclose((points.min(axis=0) + points.max(axis=0)) / 2, 127.5, atol=0.2)
    assert np.ptp(points, axis=0).max() < 256
    assert np.ptp(points, axis=0).mean() > 0.9 * 255 / 1.4


def test_faces_without_an_nme_are_left_out():
    evaluation = made_evaluation(faces=3)
    evaluation.results["test"].nme[:] = [np.nan, 0.1, np.inf]
    body = worst_faces.section(evaluation, distinct_faces(evaluation)).body
    assert re.findall(r"folder/&lt;(\d+)&gt;\.jpg", body) == ["2", "1"]
