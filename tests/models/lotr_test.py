"""LOTR: its output, the role of the queries, attention maps, initial values and invalid attributes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_networks import made_lotr

from dsat_jax import models
from dsat_jax.config import default_lotr
from dsat_jax.models import lotr
from dsat_jax.models.lotr import LOTR

pytestmark = pytest.mark.usefixtures("tiny_backbones")
TINY = made_lotr(num_points=5, dim=16, heads=2, feed_forward=32, head_width=16)


@pytest.fixture(scope="module")
def images() -> jax.Array:
    return jax.random.normal(jax.random.key(1), (2, 64, 64, 3))


@pytest.fixture(scope="module")
def variables(images) -> dict:
    """Initial variables with queries multiplied by 1000, so that the landmarks differ."""
    variables = jax.jit(functools.partial(TINY.init, train=False))(jax.random.key(0), images)
    return variables | {"params": variables["params"] | {"queries": 1e3 * variables["params"]["queries"]}}


@pytest.fixture(scope="module")
def prediction(variables, images):
    return jax.jit(functools.partial(TINY.apply, train=False))(variables, images)


def test_prediction_has_points_and_those_of_earlier_layers(prediction):
    assert prediction.points.shape == (2, 5, 2)
    assert prediction.auxiliary_points.shape == (2, 1, 5, 2)
    assert prediction.points.dtype == jnp.float32
    assert prediction.heatmaps is None
    assert prediction.gates is None


def test_landmarks_differ_by_their_queries_only(variables, images, prediction):
    """Permuted queries give permuted landmarks, because head and Transformer are shared."""
    order = jnp.array([3, 1, 0, 4, 2])
    params = variables["params"] | {"queries": variables["params"]["queries"][order]}
    permuted = TINY.apply(variables | {"params": params}, images, train=False)
    assert jnp.abs(prediction.points[:, order] - prediction.points).max() > 1
    np.testing.assert_allclose(permuted.points, prediction.points[:, order], atol=1e-3)


def test_auxiliary_points_equal_those_of_a_network_without_the_later_layers(variables, images, prediction):
    shallow = TINY.clone(decoder_layers=1)
    params = {name: part for name, part in variables["params"].items() if name != "decoder_2"}
    first = shallow.apply(variables | {"params": params}, images, train=False)
    np.testing.assert_allclose(prediction.auxiliary_points[:, 0], first.points, atol=1e-3)
    assert first.auxiliary_points.shape == (2, 0, 5, 2)


def test_coordinates_of_a_bfloat16_network_are_float32(variables, images):
    model = TINY.clone(dtype=jnp.bfloat16)
    halved = jax.jit(functools.partial(model.apply, train=False))(variables, images)
    assert halved.points.dtype == halved.auxiliary_points.dtype == jnp.float32
    assert jnp.isfinite(halved.points).all()


def test_relative_coordinates_span_the_whole_input():
    corners = jnp.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    np.testing.assert_allclose(lotr.from_relative(corners, 64), [[-0.5, -0.5], [31.5, 31.5], [63.5, 63.5]])


def test_a_pointer_returns_the_centre_of_the_token_that_a_query_selects():
    """A query equal to a token's key, and far from the others, points to the centre of that token."""
    tokens = 20 * jnp.eye(6)[None]  # a map of 2 rows and 3 columns
    module = lotr.Pointer(heads=1)
    layer = {"kernel": jnp.eye(6), "bias": jnp.zeros(6)}
    variables = {"params": {"query": layer, "key": layer}}
    between = (tokens[:, 1:2] + tokens[:, 5:6]) / 2
    found = module.apply(variables, jnp.concatenate([tokens[:, [0, 4, 5]], between], axis=1), tokens, 2, 3)
    expected = [[1 / 6, 1 / 4], [3 / 6, 3 / 4], [5 / 6, 3 / 4], [4 / 6, 2 / 4]]
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_the_position_of_a_pointer_is_the_mean_of_its_heads():
    tokens, x = (
        jax.random.normal(jax.random.key(0), (2, 6, 8)),
        jax.random.normal(jax.random.key(1), (2, 4, 8)),
    )
    module = lotr.Pointer(heads=2)
    variables = module.init(jax.random.key(2), x, tokens, 2, 3)
    query, key = (
        np.asarray(values @ variables["params"][name]["kernel"]).reshape(2, -1, 2, 4)
        for name, values in (("query", x), ("key", tokens))
    )
    centres = np.array([[column, row] for row in (0.25, 0.75) for column in (1 / 6, 3 / 6, 5 / 6)])
    expected = np.zeros((2, 4, 2))
    for head in range(2):
        scores = np.exp(np.einsum("bpd,btd->bpt", query[:, :, head], key[:, :, head]) / 4**0.5)
        expected += scores / scores.sum(axis=-1, keepdims=True) @ centres / 2
    np.testing.assert_allclose(module.apply(variables, x, tokens, 2, 3), expected, atol=1e-5)


def test_a_pointing_network_begins_where_its_queries_point(images):
    """The head begins at zero. The queries begin equal and point to the same place inside the image."""
    model = TINY.clone(pointing=True)
    variables = jax.jit(functools.partial(model.init, train=False))(jax.random.key(0), images)
    points = model.apply(variables, images, train=False).points
    assert 0 < float(points.min()) < float(points.max()) < 63
    assert float(jnp.ptp(points, axis=1).max()) < 1
    assert not variables["params"]["head"]["out"]["kernel"].any()


@pytest.mark.parametrize(("upsamplings", "side", "pointing"), [(0, 2, False), (2, 8, False), (0, 2, True)])
def test_attention_maps_are_distributions_over_the_image(images, upsamplings, side, pointing):
    model = TINY.clone(upsamplings=upsamplings, pointing=pointing)
    variables = jax.jit(functools.partial(model.init, train=False))(jax.random.key(0), images)
    maps = lotr.attention_maps(model, variables, images)
    assert maps.shape == (2, 2, 5, side, side)
    np.testing.assert_allclose(maps.sum(axis=(3, 4)), 1, atol=1e-5)


def test_initial_values(images):
    model = made_lotr(num_points=98)
    variables = jax.jit(functools.partial(model.init, train=False))(jax.random.key(0), images)
    params = variables["params"]
    assert float(params["queries"].std()) == pytest.approx(1e-4, rel=0.02)
    assert params["position_rows"].shape == (2, 128)
    assert float(params["position_rows"].std()) == pytest.approx(1, rel=0.1)
    assert float(params["head"]["hidden_2"]["kernel"].std()) == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert float(params["project"]["kernel"].std()) == pytest.approx((2 / 1280) ** 0.5, rel=0.02)


def test_frozen_normalisation_reaches_the_backbone_only(images):
    model = TINY.clone(freeze_norm=True, upsamplings=1)
    variables = jax.jit(functools.partial(model.init, train=False))(jax.random.key(0), images)
    keys = {"dropout": jax.random.key(0)}
    _, new = jax.jit(functools.partial(model.apply, train=True, mutable=["batch_stats"]))(
        variables, images, rngs=keys
    )
    moved = jax.tree.map(
        lambda old, now: bool((old != now).any()), variables["batch_stats"], dict(new["batch_stats"])
    )
    assert not any(jax.tree.leaves(moved["backbone"]))
    assert all(jax.tree.leaves(moved["upsample_norm_1"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 30}, "dim must be a positive multiple of 4 and of the number of heads, got 30 and 2 heads"),
        ({"backbone": "vgg"}, "unknown backbone 'vgg', expected one of mobilenet_v2"),
        ({"position": "none"}, "unknown position 'none', expected one of learned, sine"),
        ({"decoder_layers": 0}, "decoder_layers must be at least 1, got 0"),
    ],
)
def test_invalid_attributes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            functools.partial(TINY.clone(**change).init, train=False),
            jax.random.key(0),
            jnp.zeros((1, 64, 64, 3)),
        )


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="multiple of 32 pixels, got 80x80"):
        jax.eval_shape(
            functools.partial(TINY.init, train=False), jax.random.key(0), jnp.zeros((1, 80, 80, 3))
        )


def test_default_config_names_every_attribute():
    attributes = LOTR.__dataclass_fields__.keys() - {"num_points", "groups", "parent", "name"}
    assert set(default_lotr()) - {"name", "backbone_weights"} == attributes


def test_build_makes_the_module_that_the_config_describes():
    config = default_lotr()
    config.update(upsamplings=2, dtype="bfloat16", backbone_weights="weights.safetensors")
    assert models.build(config, num_points=106, num_boundaries=13) == LOTR(
        num_points=106,
        groups=(),
        backbone="mobilenet_v2",
        freeze_norm=False,
        upsamplings=2,
        dim=256,
        heads=8,
        feed_forward=1024,
        encoder_layers=2,
        decoder_layers=2,
        head_width=512,
        pointing=False,
        position="learned",
        dropout=0.1,
        rematerialise=False,
        dtype=jnp.bfloat16,
    )
