"""Joint schemes: numbers, mirrors, shared landmarks, and the schemes of the examples."""

import itertools
import json
import pathlib

import numpy as np
import pytest

import tfds_builders.landmark_folder
from dsat_jax import schemes
from dsat_jax.schemes import AFLW_19, COFW_29, SCHEMES, W300_68, WFLW_98
from dsat_jax.schemes.conversion import in_w300
from dsat_jax.schemes.description import parse_description
from tfds_builders.landmark_folder import example_points

EXAMPLES = sorted((pathlib.Path(tfds_builders.landmark_folder.__file__).parent / "examples").glob("*.json"))
FIVE = parse_description(
    example_points.FIVE | {"same_in_w300": [[2, 30], [3, 48], [4, 54]]}, "here"
)  # pupils, nose tip, corners of the mouth


def test_landmarks_side_by_side():
    joint = schemes.join([W300_68, AFLW_19], tied=False)
    assert joint.name == "w300_68+aflw_19"
    assert joint.num_points == 68 + 19
    assert joint.eye_corners == W300_68.eye_corners
    # The outer ends of the brows are landmarks 0 and 5 of AFLW-19.
    assert joint.mirror_permutation[68] == 68 + 5
    np.testing.assert_array_equal(joint.mirror_permutation[:68], W300_68.mirror_permutation)
    assert joint.boundaries[0] == W300_68.boundaries[0]
    assert joint.boundaries[13] == (68 + 18,)  # the chin of AFLW-19
    shown = schemes.correspondence(AFLW_19, joint)
    np.testing.assert_array_equal(shown, [-1] * 68 + list(range(19)))
    np.testing.assert_array_equal(schemes.correspondence(joint, AFLW_19), np.arange(68, 87))


def test_tied_landmarks_are_one():
    joint = schemes.join([W300_68, FIVE], tied=True)
    assert joint.num_points == 68 + 2  # only the pupils are new
    np.testing.assert_array_equal(schemes.correspondence(joint, FIVE), [68, 69, 30, 48, 54])
    labels = schemes.correspondence(FIVE, joint)
    assert {int(i): int(labels[i]) for i in np.flatnonzero(labels >= 0)} == {
        68: 0,
        69: 1,
        30: 2,
        48: 3,
        54: 4,
    }
    np.testing.assert_array_equal(schemes.correspondence(joint, W300_68), np.arange(68))


def test_landmarks_of_two_schemes_are_tied_through_a_third():
    """The tip of the nose is landmark 20 of COFW-29, 13 of AFLW-19 and 30 of w300_68, which is not among them."""
    joint = schemes.join([COFW_29, AFLW_19], tied=True)
    assert schemes.correspondence(joint, AFLW_19)[13] == 20
    # Eye corners (4), nose tip, mouth corners (2) and chin are shared.
    assert joint.num_points == 29 + 19 - 8


@pytest.mark.parametrize("tied", [False, True])
def test_mirrors_of_joint_schemes_are_those_of_their_parts(tied):
    joint = schemes.join([W300_68, WFLW_98, COFW_29, AFLW_19, FIVE], tied)
    for permutation in (joint.mirror_permutation, joint.channel_mirror_permutation):
        np.testing.assert_array_equal(permutation[permutation], np.arange(len(permutation)))
    for part in joint.parts:
        points = np.array(part.points)
        np.testing.assert_array_equal(
            joint.mirror_permutation[points], points[part.scheme.mirror_permutation]
        )


def test_the_text_of_a_joint_scheme_gives_the_scheme():
    for tied in (False, True):
        joint = schemes.join([W300_68, FIVE], tied)
        assert schemes.find(schemes.as_text(joint)) == joint
    assert json.loads(schemes.as_text(joint))["parts"][0] == "w300_68"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"parts": ["w300_68", "aflw_19"]}',
            "expected a joint scheme with parts, and tied as true or false",
        ),
        ('{"parts": ["w300_68", "aflw_19"], "tied": "false"}', "and tied as true or false"),
        ('{"parts": ["w300_68"], "tied": false}', "expected two schemes or more"),
    ],
)
def test_wrong_texts_of_joint_schemes_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        schemes.find(text)


def test_equal_names_and_unknown_parts_are_refused():
    with pytest.raises(ValueError, match="w300_68, w300_68 cannot be joined, expected different names"):
        schemes.join([W300_68, W300_68], tied=False)
    joint = schemes.join([W300_68, FIVE], tied=True)
    assert schemes.choose_part(joint, None) == W300_68
    assert schemes.choose_part(joint, "five") == FIVE
    assert schemes.choose_part(WFLW_98, None) == WFLW_98
    with pytest.raises(
        ValueError, match="the network predicts w300_68, five, expected one of these, found 'aflw_19'"
    ):
        schemes.choose_part(joint, "aflw_19")


@pytest.mark.parametrize("scheme", [*SCHEMES.values(), FIVE], ids=[*SCHEMES, "five"])
def test_mirroring_commutes_with_the_landmarks_in_w300(scheme):
    common = in_w300(scheme)
    for own, theirs in common.items():
        assert common[scheme.mirror_permutation[own]] == W300_68.mirror_permutation[theirs]


@pytest.mark.parametrize("source", ["wflw_98", "jd_106"])
def test_landmarks_in_w300_agree_with_the_conversions(source):
    conversion = schemes.CONVERSIONS[source, "w300_68"]
    for own, theirs in SCHEMES[source].same_in_w300:
        assert conversion[theirs] == own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            [[0, 68]],
            r"same_in_w300 has \[0, 68\], expected a point from 0 to 4 and one of w300_68, from 0 to 67",
        ),
        ([[5, 30]], r"same_in_w300 has \[5, 30\], expected a point from 0 to 4"),
        ([[2, 30, 1]], r"same_in_w300 has \[2, 30, 1\], expected a point"),
        ([[2, 30], [2, 33]], "same_in_w300 names point 2 more than once"),
        ([[3, 48]], r"same_in_w300 has \[3, 48\] without its mirror image \[4, 54\]"),
    ],
)
def test_wrong_landmarks_in_w300_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        parse_description(example_points.FIVE | {"same_in_w300": change}, "here")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_schemes_whose_lines_have_mirror_images(path):
    scheme = parse_description(json.loads(path.read_text())["scheme"], path.name)
    assert scheme.name == path.stem
    assert scheme.num_points == int(path.stem.rpartition("_")[2])
    point = scheme.mirror_permutation
    segments = {frozenset(pair) for line in scheme.lines for pair in itertools.pairwise(line)}
    assert {frozenset(point[list(pair)].tolist()) for pair in segments} == segments
    left, right = scheme.eye_corners
    assert point[left] == right
    unmirrored = int((point == np.arange(len(point))).sum())
    # On the midline: forehead, chin, nose, upper lip; or chin, bottom and tip of the nose, five points of the lips.
    assert unmirrored == {"scut_86": 4, "fgnet_68": 8}[scheme.name]
    assert schemes.join([W300_68, scheme], tied=True).num_points == 68 + scheme.num_points - len(
        scheme.same_in_w300
    )
