"""Networks of several landmark schemes: reduced to one, and as the start of another."""

import itertools

import numpy as np
import pytest
from made_runs import SIZE, begin_run, tiny_config

from dsat_jax import models, schemes
from dsat_jax.inference import trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.predictor import Predictor
from dsat_jax.runtime import sharding
from dsat_jax.schemes import AFLW_19, SCHEMES, W300_68, WFLW_98
from dsat_jax.training import initial_state, optimizer
from dsat_jax.weights import landmark_arrays

pytestmark = pytest.mark.usefixtures("tiny_backbones")
MODELS = {"learned": True, "lotr-tiny": False}  # run -> whether the joint scheme is tied


@pytest.fixture(scope="module", params=MODELS)
def run(request, tmp_path_factory):
    """A run folder of a network for 68 and 19 landmarks, with random weights."""
    config = tiny_config(request.param)
    config.data.scheme = schemes.as_text(schemes.join([W300_68, AFLW_19], MODELS[request.param]))
    config.data.mixture = ("aflw19 train 0.25 /data",)
    workdir = tmp_path_factory.mktemp("joint")
    begin_run(workdir, config)
    return workdir


@pytest.mark.parametrize("scheme", [W300_68, AFLW_19], ids=lambda scheme: scheme.name)
def test_a_reduced_network_predicts_as_the_whole_one(run, scheme):
    whole, reduced = trained_network.load_whole(run), trained_network.load(run, scheme.name)
    assert reduced.model.num_points == scheme.num_points
    assert reduced.config.data.scheme == scheme.name
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    expected = jit_forward(whole.model, whole.config, whole.mesh, scheme)(whole.variables, images)
    found = jit_forward(reduced.model, reduced.config, reduced.mesh)(reduced.variables, images)
    assert found.points.shape == (3, scheme.num_points, 2)
    np.testing.assert_allclose(found.points, expected.points, atol=1e-3)
    if found.confidence is not None:
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)


def test_the_first_scheme_is_the_default_and_others_are_refused(run):
    assert Predictor.from_run(run).scheme == W300_68
    assert Predictor.from_run(run, scheme="aflw_19").scheme == AFLW_19
    with pytest.raises(ValueError, match="the network predicts w300_68, aflw_19, expected one of these"):
        trained_network.load(run, "wflw_98")


def begun(config, network=None):
    config.train.start_from = network
    mesh, transform = sharding.make_mesh(), optimizer.make_optimizer(config.optimizer, 10)
    return initial_state.begin(config, models.build_for(config), transform, mesh)


def landmark_rows(params) -> np.ndarray:
    """Returns the array of landmarks with these first: [landmarks (and boundaries), ...]."""
    if "queries" in params:
        return np.asarray(params["queries"])
    return np.moveaxis(np.asarray(params["head_conv"]["kernel"]), -1, 0)


def test_a_training_starts_from_the_landmarks_that_a_network_has(run):
    """98 landmarks of a network of 68 and 19: those with the same position; the others start from scratch."""
    config = tiny_config("learned" if trained_network.load(run).config.model.name == "dsat" else "lotr-tiny")
    config.data.scheme = "wflw_98"
    scratch, started = landmark_rows(begun(config).params), landmark_rows(begun(config, str(run)).params)
    trained = landmark_rows(trained_network.load_whole(run).variables["params"])
    same = dict(WFLW_98.same_in_w300)
    for own in range(98):
        expected = trained[same[own]] if own in same else scratch[own]
        np.testing.assert_array_equal(started[own], expected)


def test_rows_of_another_scheme_include_the_boundaries():
    rows = landmark_arrays.rows(WFLW_98, W300_68)
    assert rows[30] == 54  # tip of the nose
    np.testing.assert_array_equal(rows[68:], np.arange(98, 111))
    joint = schemes.join([AFLW_19, W300_68], tied=False)
    rows = landmark_arrays.rows(joint, W300_68)
    np.testing.assert_array_equal(rows, [*range(19, 87), *range(87 + 13, 87 + 26)])


@pytest.mark.parametrize(
    "pair", list(itertools.permutations(SCHEMES.values(), 2)), ids=lambda pair: pair[0].name
)
@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_a_part_are_its_own_whatever_the_others_are(pair, tied):
    joint = schemes.join(pair, tied)
    first = joint.num_points
    for part in joint.parts:
        count = len(part.scheme.boundaries)
        expected = [*part.points, *range(first, first + count)]
        np.testing.assert_array_equal(landmark_arrays.rows(joint, part.scheme), expected)
        first += count


def test_tied_landmarks_are_refused_for_lotr():
    config = tiny_config("lotr-tiny")
    config.data.scheme = schemes.as_text(schemes.join([W300_68, AFLW_19], tied=True))
    with pytest.raises(ValueError, match=r"config.data.tied is true, expected false for LOTR"):
        models.build_for(config)
