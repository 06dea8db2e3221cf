"""The section on speed."""

import dataclasses
import math

import pytest
from made_evaluation import made_evaluation

from dsat_jax.evaluation.report import speed


def test_the_time_per_face_is_the_median_over_splits_with_several_batches():
    evaluation = made_evaluation(overlapping=True)  # 4 ms, and an unknown time
    assert speed.milliseconds_per_face(evaluation) == pytest.approx(4)
    unknown = dataclasses.replace(evaluation.results["test"], seconds_per_face=math.nan)
    assert speed.milliseconds_per_face(dataclasses.replace(evaluation, results={"test": unknown})) is None


def test_the_table_has_the_rates_of_each_split():
    body = speed.section(made_evaluation()).body
    cells = "".join(f"<td>{cell}</td>" for cell in ("40", "4.00", "0.5", "80.0"))
    assert f'<th scope="row">test</th>{cells}' in body
