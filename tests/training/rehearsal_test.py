"""Checks of a configuration before anything is drawn or compiled."""

import re

import pytest

from configs import synthetic, w300
from dsat_jax.errors import UserError
from dsat_jax.training import rehearsal


def test_all_unknown_names_are_listed():
    config = synthetic.get_config("tiny")
    config.loss.penalty = "mse"
    config.evaluate.decoder = "mean"
    with pytest.raises(
        UserError, match=r"loss\.penalty is 'mse', expected .*; .*evaluate\.decoder is 'mean'"
    ):
        rehearsal.check_names(config)


@pytest.mark.parametrize("variant", list(w300.VARIANTS))
def test_the_names_in_the_configurations_are_known(variant):
    rehearsal.check_names(w300.get_config(variant))


def test_every_name_is_that_of_a_field():
    dsat, lotr = synthetic.get_config("tiny"), w300.get_config("lotr-small")
    for field in rehearsal.NAMES:
        section, key = field.split(".")
        assert key in dsat[section] or key in lotr[section], field


@pytest.mark.parametrize(
    ("field", "split"), [("train", "tain"), ("validation", "valid[:5]"), ("test", ("test", "tests"))]
)
def test_a_split_that_will_not_be_drawn_is_refused(tmp_path, field, split):
    config = synthetic.get_config("tiny")
    config.data.update({field: split, "data_dir": str(tmp_path)})
    wrong = split if isinstance(split, str) else split[1]
    with pytest.raises(UserError, match=rf"has no split '{re.escape(wrong)}'; it has train, test"):
        rehearsal.rehearse(config)


@pytest.mark.parametrize(
    ("section", "fields", "message"),
    [
        ("model", {"width": 33}, "multiple of 8, got 33"),
        ("input", {"size": 72}, "multiple"),
        ("optimizer", {"backbone_factor": 2.0}, "the model has no backbone"),
        ("loss", {"heatmap": 0.0, "coordinates": 0.0}, "nothing to minimise"),
        ("train", {"accumulate": 3}, "does not spread evenly"),
    ],
)
def test_values_that_do_not_fit_together_are_found_without_a_dataset(section, fields, message):
    config = synthetic.get_config("tiny")
    config[section].update(fields)
    with pytest.raises(UserError, match=message):
        rehearsal.rehearse(config)
