"""Descriptions of schemes, valid and invalid."""

import dataclasses
import json

import numpy as np
import pytest

from dsat_jax import schemes
from dsat_jax.schemes import SCHEMES
from dsat_jax.schemes.description import describe, parse_description
from tfds_builders.landmark_folder import example_points

FIVE = example_points.FIVE | {"boundaries": [[0, 2], [1, 2], [3, 4]]}


def test_reads_a_description():
    scheme = parse_description(FIVE, "here")
    np.testing.assert_array_equal(scheme.channel_mirror_permutation, [1, 0, 2, 4, 3, 6, 5, 7])
    assert scheme.eye_corners == (0, 1)
    assert scheme.pupils == ((0,), (1,))
    assert scheme.lines == ((0, 1), (3, 4))
    assert describe(scheme) == FIVE


@pytest.mark.parametrize("name", SCHEMES)
def test_describes_built_in_schemes(name: str):
    """A description has neither pupils of its own nor the landmarks of align, head pose and open eyes."""
    parsed = parse_description(json.loads(json.dumps(describe(SCHEMES[name]))), "here")
    np.testing.assert_array_equal(parsed.channel_mirror_permutation, SCHEMES[name].channel_mirror_permutation)
    undescribed = {"nose_tip": None, "mouth_corners": None, "chin": None, "eyelids": None}
    assert dataclasses.replace(parsed, pupils=SCHEMES[name].pupils) == dataclasses.replace(
        SCHEMES[name], **undescribed
    )


def test_the_text_of_a_scheme_gives_the_scheme():
    custom = parse_description(FIVE, "here")
    assert schemes.find(schemes.as_text(custom)) == custom
    assert schemes.as_text(schemes.JD_106) == "jd_106"
    assert schemes.find("jd_106") is schemes.JD_106


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jd_107", "unknown scheme 'jd_107', expected one of wflw_98"),
        ("{five", "config.data.scheme: not JSON"),
        ('{"name": "five"}', "missing mirror_pairs, normaliser_points, num_points"),
        (json.dumps(FIVE | {"name": "w300_68"}), "name is 'w300_68', the name of a built-in scheme"),
    ],
)
def test_invalid_texts_are_refused(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        schemes.find(text)


def test_lines_and_boundaries_may_be_left_out():
    needed = {key: value for key, value in FIVE.items() if key not in ("lines", "boundaries")}
    scheme = parse_description(needed, "here")
    assert scheme.lines == scheme.boundaries == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "here: unknown colour, missing nothing; a scheme has name, num_points"),
        ({"num_points": 2.0}, "here: num_points is 2.0, expected a whole number from 2 to 10000"),
        ({"name": ""}, "here: name is '', expected some text"),
        ({"mirror_pairs": [[0, 1, 2]]}, "here: mirror_pairs has [0, 1, 2], expected two points"),
        ({"mirror_pairs": [[0, 1], [1, 2]]}, "here: mirror_pairs names point 1 more than once"),
        ({"mirror_pairs": 3}, "here: mirror_pairs: found 3, expected a list of lists of points"),
        ({"mirror_pairs": [3]}, "here: mirror_pairs: found 3, expected a list of points"),
        ({"mirror_pairs": [[True, 2]]}, "here: mirror_pairs: found the point True, expected 0 to 4"),
        ({"normaliser_points": [2, 2]}, "here: normaliser_points is [2, 2], expected two different points"),
        ({"boundaries": [[0, 2], [3, 4]]}, "here: boundaries: one of them has no mirror image among them"),
        ({"lines": [[]]}, "here: lines: found [], expected a list of points"),
        ({"lines": [[0, 5]]}, "here: lines: found the point 5, expected 0 to 4"),
    ],
)
def test_invalid_descriptions_are_refused(change: dict[str, object], message: str):
    with pytest.raises(ValueError, match="here") as error:
        parse_description(FIVE | change, "here")
    assert str(error.value).startswith(message)
