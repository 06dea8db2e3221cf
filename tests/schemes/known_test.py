"""Schemes by name and as text."""

import dataclasses
import json

import pytest

from dsat_jax.errors import UserError
from dsat_jax.schemes import SCHEMES, W300_68, as_text, find


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_built_in_scheme_is_written_by_its_name(scheme):
    assert as_text(scheme) == scheme.name
    assert find(scheme.name) is scheme


def test_a_custom_scheme_survives_as_text():
    undescribed = {"nose_tip": None, "mouth_corners": None, "chin": None, "eyelids": None}
    custom = dataclasses.replace(W300_68, name="mine", pupils=((36,), (45,)), **undescribed)
    assert find(as_text(custom)) == custom


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w300", "'w300'"),
        ("{", "not JSON"),
        (
            json.dumps({"name": "w300_68", "num_points": 2, "mirror_pairs": [], "normaliser_points": [0, 1]}),
            "w300_68",
        ),
    ],
)
def test_what_is_not_a_scheme_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        find(text)
