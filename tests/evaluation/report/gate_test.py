"""The section on the gate, and its quantities."""

import numpy as np
from made_evaluation import made_evaluation

from dsat_jax.evaluation.report import gate
from dsat_jax.evaluation.report.evaluation import distinct_faces
from dsat_jax.schemes import W300_68


def test_a_symmetric_face_has_no_asymmetry():
    permutation = W300_68.mirror_permutation
    rng = np.random.default_rng(0)
    points = rng.normal(size=(68, 2))
    points = (points + points[permutation] * [-1, 1]) / 2
    rotated = points @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 3 + 7
    sheared = points * [1, 1] + np.abs(points[:, :1]) * [0.5, 0]
    unknown = np.where(np.arange(68)[:, None] == 3, np.nan, points)
    asymmetry = gate.asymmetry(np.stack([points, rotated, sheared, unknown]), W300_68)
    np.testing.assert_allclose(asymmetry[:2], 0, atol=1e-6)
    assert asymmetry[2] > 0.1
    assert np.isnan(asymmetry[3])


def test_quantities_depend_on_model_and_dataset():
    scheme = W300_68
    whole = made_evaluation().results["test"]
    assert list(gate.quantities(whole, scheme)) == [
        "NME",
        "mean confidence",
        "asymmetry of the labels",
        "pose",
        "blur",
    ]
    bare = made_evaluation(confidence=False, attributes=()).results["test"]
    bare.occluded[3, :17] = True
    by_name = gate.quantities(bare, scheme)
    assert list(by_name) == ["NME", "asymmetry of the labels", "share of occluded landmarks"]
    assert by_name["share of occluded landmarks"][3] == 17 / 68


def test_a_row_for_each_group_of_faces():
    evaluation = made_evaluation(attributes=())
    opened = np.zeros((40, 16), bool)
    opened[:25, :3] = True
    evaluation.results["test"].open_channels[:] = opened
    faces = distinct_faces(evaluation)
    section = gate.section(evaluation, faces, gate.analysis_of(evaluation, faces))
    groups = section.body[section.body.index('id="gate-groups"') :]
    assert groups.index("group 1") < groups.index("<td>25</td>") < groups.index("<td>15</td>")
    assert "have <b>2</b> distinct patterns" in section.body
