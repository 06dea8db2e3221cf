"""The rows of the experiments, and the table of their results."""

import json

import pytest
from ml_collections import ConfigDict

from benchmarks import experiments
from benchmarks.ablations import ABLATIONS, SMALL, VALIDATION
from configs import w300
from dsat_jax.config import check_config, differences
from dsat_jax.evaluation.result_files import METRICS_FILE

ALL = [(name, row) for name, ablation in ABLATIONS.items() for row in ablation.rows]


def configured(name: str, row: str) -> ConfigDict:
    """Returns the configuration of a row of an ablation, as the command line creates it."""
    config = w300.get_config(ABLATIONS[name].variant)
    config.update_from_flattened_dict(ABLATIONS[name].values(row))
    return config


@pytest.mark.parametrize(("name", "row"), ALL)
def test_every_row_changes_existing_fields_to_valid_values(name, row):
    base, config = configured(name, "base"), configured(name, row)
    check_config(config, row)
    changed = differences(base, config)
    assert all(any(line.startswith(f"{field}: ") for line in changed) for field in ABLATIONS[name].rows[row])


def test_no_row_reads_a_test_split():
    for name, row in ALL:
        fields = ABLATIONS[name].overrides(row)
        assert fields["data.test"] == f"('{fields['data.validation']}',)"
        assert fields["data.train"] == "train[:90%]"


def test_folders_differ_and_the_table_has_the_mean_of_the_seeds(tmp_path):
    for ablation in ABLATIONS.values():
        folders = {experiments.folder(tmp_path, row, 0) for row in ablation.rows}
        assert len(folders) == len(ablation.rows)
    for seed, nme in ((9, 5.0), (10, 6.0)):
        folder = experiments.folder(tmp_path, "no gate, no DSS", seed)
        folder.mkdir()
        (folder / METRICS_FILE).write_text(json.dumps({"subsets": {VALIDATION: {"nme": nme}}}))
    experiments.folder(tmp_path, "no gate", 0).mkdir()  # started, not evaluated
    lines = experiments.table(SMALL, tmp_path).splitlines()
    assert len(lines) == 3
    changes = "`model.gate=none`, `model.transformer_layers=0`"
    assert lines[2].startswith(
        f"| no gate, no DSS | {changes} | 5.00 (9), 6.00 (10) | 5.50 | 0.08 M | 0.16 |"
    )
