"""The section with the table of subsets and the error curves."""

from made_evaluation import made_evaluation

from dsat_jax.evaluation.report import accuracy


def test_the_table_has_a_row_for_each_subset():
    evaluation = made_evaluation()
    body = accuracy.section(evaluation).body
    for name, summary in evaluation.summaries.items():
        assert f'<th scope="row">{name}</th><td>{summary["faces"]}</td><td>{summary["nme"]:.2f}</td>' in body


def test_a_single_split_has_curves_of_its_subsets():
    body = accuracy.section(made_evaluation()).body
    assert body.count('<polyline class="line') == 3
    assert "test/pose: AUC" in body
    body = accuracy.section(made_evaluation(overlapping=True)).body
    assert body.count('<polyline class="line') == 2
    assert "part: AUC" in body


def test_a_note_counts_the_subsets_without_a_curve():
    body = accuracy.section(made_evaluation(attributes=[f"a{i}" for i in range(9)])).body
    assert body.count('<polyline class="line') == 7
    assert "3 further curves: see the table" in body
