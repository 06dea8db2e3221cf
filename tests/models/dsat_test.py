import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn, traverse_util
from made_networks import made_dsat

from dsat_jax import models
from dsat_jax.config import default_dsat
from dsat_jax.models.dsat import DSAT
from dsat_jax.models.prediction import Prediction
from dsat_jax.weights.torch_import import torch_entries

TINY = made_dsat(
    num_points=3, num_boundaries=2, width=8, stacks=1, transformer_layers=1, heads=2, gate="learned"
)
# Compiles long: the larger recording runs with the slow tests only.
REDUCED_IS_SLOW = pytest.mark.parametrize(
    "recording", ["small", pytest.param("reduced", marks=pytest.mark.slow)], indirect=True
)
# Each function runs once or twice, so that compilation dominates the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def fill(model: DSAT) -> dict:
    """Returns random variables for 32x32 images. Compiling `init` would take longer than the tests."""
    init = functools.partial(model.init, train=False)
    template = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name in ("scale", "var", "bias", "mean", "position"):
            return np.full(leaf.shape, name in ("scale", "var"), np.float32)
        return rng.normal(0, leaf.shape[-2] ** -0.5, leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, template)


def test_evaluation_matches_the_released_network(golden, golden_model, golden_variables):
    prediction = jit(functools.partial(golden_model.apply, train=False))(golden_variables, golden["x"])
    np.testing.assert_allclose(prediction.heatmaps, golden["eval/heatmaps"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(prediction.gates, golden["eval/gate"])


def training_loss(params, batch_stats, images, soft, golden, model):
    """Returns the loss of the recorded training run with its noise and the given gate sample."""

    def recorded_draw(next_method, args, kwargs, context):
        if context.method_name == "draw":
            return golden["noise"], soft
        return next_method(*args, **kwargs)

    variables = {"params": params, "batch_stats": batch_stats}
    with nn.intercept_methods(recorded_draw):
        prediction, updates = model.apply(variables, images, train=True, mutable=["batch_stats"])
    return jnp.mean(jnp.square(prediction.heatmaps - golden["y"])), (prediction, updates["batch_stats"])


@pytest.fixture(scope="module")
def train_forward(golden, golden_model):
    return jit(functools.partial(training_loss, golden=golden, model=golden_model))


@REDUCED_IS_SLOW
@pytest.mark.parametrize("branch", ["soft", "hard"])
def test_training_forward_matches_the_released_network(golden, golden_variables, train_forward, branch):
    loss, (prediction, batch_stats) = train_forward(
        golden_variables["params"], golden_variables["batch_stats"], golden["x"], jnp.array(branch == "soft")
    )
    run = f"train_{branch}/"
    np.testing.assert_allclose(loss, golden[run + "loss"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.gates, golden[run + "gate"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.heatmaps, golden[run + "heatmaps"], rtol=0, atol=1e-4)
    before, after = (
        entries({"batch_stats": stats}) for stats in (golden_variables["batch_stats"], batch_stats)
    )
    for name, expected in golden.under(run + "bn_after/").items():
        if name.endswith("running_var"):
            # PyTorch moves its running variance a tenth of the way to the unbiased variance, Flax to the biased one.
            batch, side, _, _ = golden["x"].shape
            values = batch * side**2 if name.startswith("conv2.") else batch * (side // 2) ** 2
            expected = expected - (expected - 0.9 * before[name]) / values
        np.testing.assert_allclose(after[name], expected, rtol=0, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def train_gradients(golden, golden_model, golden_variables):
    """The gradients of parameters and input for both gate samples, computed in float64.

    In float32 they are not comparable: a relative change of 1e-7 of the input moves some activation across the kink of
    a ReLU or a maximum, which changes the gradient of the input by up to 8e-3.
    """
    with jax.enable_x64(True):
        loss = functools.partial(training_loss, golden=golden, model=golden_model.clone(dtype=jnp.float64))
        gradient = jax.jit(jax.grad(loss, argnums=(0, 2), has_aux=True))
        variables = jax.tree.map(lambda array: array.astype(np.float64), golden_variables)
        images = np.asarray(golden["x"], np.float64)
        grads = {
            branch: gradient(variables["params"], variables["batch_stats"], images, branch == "soft")[0]
            for branch in ("soft", "hard")
        }
        return jax.tree.map(np.asarray, grads)


@REDUCED_IS_SLOW
@pytest.mark.parametrize("branch", ["soft", "hard"])
def test_gradients_match_the_released_network(golden, train_gradients, branch):
    d_params, d_images = train_gradients[branch]
    run = f"train_{branch}/"
    expected = golden[run + "grad_input"]
    assert np.linalg.norm(d_images - expected) < 1e-3 * np.linalg.norm(expected)

    norms = {name: np.linalg.norm(part) for name, part in entries({"params": d_params}).items()}
    recorded = golden.under(run + "grad_norm/")
    assert norms.keys() == recorded.keys()
    for name, norm in recorded.items():
        # A bias before a normalisation has no gradient; the recorded values are rounding errors.
        atol = 1e-7 if norm < 1e-7 else 0.0
        np.testing.assert_allclose(norms[name], norm, rtol=1e-3, atol=atol, err_msg=name)


def entries(variables: dict) -> dict[str, np.ndarray]:
    """Returns the parts of Flax variables by the names of PyTorch, in the layout of Flax."""
    return {
        name: np.asarray(array)[index]
        for path, array in traverse_util.flatten_dict(variables).items()
        for name, index in torch_entries(path, array.shape)
    }


def test_full_network_has_the_released_number_of_parameters():
    config = default_dsat()
    config.gate = "released"
    model = models.build(config, num_points=68, num_boundaries=13)
    images = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    variables = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 181_179_136
    prediction = jax.eval_shape(functools.partial(model.apply, train=False), variables, images)
    assert prediction.heatmaps.shape == (1, 128, 128, 81)
    assert prediction.points.shape == (1, 68, 2)
    assert prediction.gates.shape == (1, 256)


@pytest.fixture(scope="module")
def tiny_variables() -> dict:
    return fill(TINY)


@pytest.fixture(scope="module")
def images() -> jax.Array:
    return jax.random.uniform(jax.random.key(1), (4, 32, 32, 3))


@pytest.mark.parametrize(("upsample", "expected"), [(True, (21.0, 10.0)), (False, (42.5, 20.5))])
def test_points_are_input_pixels_of_the_heatmaps(upsample, expected):
    """Only one heatmap pixel is bright. The centre of a coarse pixel is between the input pixels that it covers."""
    model = made_dsat(num_points=1, num_boundaries=0, width=8, stacks=0, gate="none", upsample=upsample)

    def bright_pixel(next_method, args, kwargs, context):
        out = next_method(*args, **kwargs)
        if context.module.name == "head_conv" and context.method_name == "__call__":
            return jnp.zeros_like(out).at[:, 10, 21].set(2.0)
        return out

    with nn.intercept_methods(bright_pixel):
        predict = jit(functools.partial(model.apply, train=False))
        points = predict(fill(model), jnp.zeros((1, 64, 64, 3))).points
    # soft_argmax gives the centre of the map a weight of 1, compared with exp(20) of the bright pixel.
    np.testing.assert_allclose(points, [[expected]], rtol=0, atol=1e-4)


def test_zero_transformer_layers_remove_the_transformer_only():
    def names(model: DSAT) -> set[tuple[str, ...]]:
        return set(traverse_util.flatten_dict(fill(model)["params"]))

    left_out = names(TINY) - names(TINY.clone(transformer_layers=0))
    assert left_out == {path for path in names(TINY) if "channel_transformer" in path}
    assert names(TINY.clone(transformer_layers=0)) < names(TINY)


def test_half_resolution_heatmaps(images):
    model = TINY.clone(upsample=False)
    variables = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), images)
    prediction = jax.eval_shape(functools.partial(model.apply, train=False), variables, images)
    assert prediction.heatmaps.shape == (4, 16, 16, 5)
    assert prediction.points.shape == (4, 3, 2)
    assert "head_upsample" not in variables["params"]


def test_a_wider_head_changes_the_layers_of_the_head_only():
    def shapes(model: DSAT) -> dict[tuple[str, ...], tuple[int, ...]]:
        return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(fill(model)["params"]).items()}

    half, wide = shapes(TINY), shapes(TINY.clone(head_channels=24))
    assert half == shapes(TINY.clone(head_channels=TINY.width // 2))
    changed = {path[0] for path in half if half[path] != wide[path]}
    assert changed == {"head_block", "head_upsample", "head_conv"}
    assert wide["head_conv", "kernel"] == (3, 3, 24, 5)


@pytest.fixture(scope="module")
def train_step(tiny_variables, images):
    """A function of the seed that returns gradients and prediction of a tiny training step."""

    def loss(params, key):
        gate_key, dropout_key = jax.random.split(key)
        prediction, _ = TINY.apply(
            tiny_variables | {"params": params},
            images,
            train=True,
            rngs={"gate": gate_key, "dropout": dropout_key},
            mutable=["batch_stats"],
        )
        value = jnp.mean(jnp.square(prediction.heatmaps - 1.0)) + jnp.mean(jnp.abs(prediction.points))
        return value + prediction.gates.mean(), prediction

    gradient = jit(jax.grad(loss, has_aux=True))
    return lambda seed: gradient(tiny_variables["params"], jax.random.key(seed))


def test_gradients_are_finite_and_reach_every_kernel(train_step):
    gradients, _ = train_step(0)
    chex.assert_tree_all_finite(gradients)
    for path, gradient in traverse_util.flatten_dict(gradients).items():
        assert path[-1] != "kernel" or jnp.any(gradient != 0), path


def test_randomness_follows_the_keys(train_step):
    first, same, other = (train_step(seed)[1] for seed in (0, 0, 1))
    chex.assert_trees_all_equal(first, same)
    assert jnp.any(first.gates != other.gates)
    assert jnp.any(first.heatmaps != other.heatmaps)


@REDUCED_IS_SLOW
def test_bfloat16_is_close_to_float32(golden, golden_model, golden_variables):
    model = golden_model.clone(dtype=jnp.bfloat16)
    prediction = jit(functools.partial(model.apply, train=False))(golden_variables, golden["x"])
    expected = golden["eval/heatmaps"]
    assert prediction.heatmaps.dtype == prediction.points.dtype == prediction.gates.dtype == jnp.float32
    relative = jnp.linalg.norm(prediction.heatmaps - expected) / jnp.linalg.norm(expected)
    assert relative < 0.05


def test_parameters_stay_float32_in_bfloat16():
    model = TINY.clone(dtype=jnp.bfloat16)
    variables = jax.eval_shape(
        functools.partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("shape", [(1, 48, 48, 3), (1, 64, 32, 3)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=rf"multiple of 32 pixels, got {shape[1]}x{shape[2]}"):
        TINY.init(jax.random.key(0), jnp.zeros(shape), train=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 33}, "width must be a positive multiple of 8, got 33"),
        ({"width": 0}, "width must be a positive multiple of 8, got 0"),
        ({"head_channels": 33}, "head_channels must be even, got 33"),
        ({"gate": "open"}, "unknown gate 'open', expected one of none, released, learned"),
    ],
)
def test_invalid_attributes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TINY.clone(**change).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)


def test_build_makes_the_module_that_the_config_describes():
    config = default_dsat()
    config.update({"width": 64, "gate": "none", "dtype": "bfloat16"})
    expected = DSAT(
        num_points=98,
        num_boundaries=13,
        width=64,
        stacks=4,
        transformer_layers=3,
        heads=4,
        gate="none",
        embedding_dropout=0.1,
        attention_dropout=0.1,
        head_channels=0,
        upsample=True,
        rematerialise=False,
        dtype=jnp.bfloat16,
    )
    assert models.build(config, num_points=98, num_boundaries=13) == expected


def test_a_config_can_leave_boundaries_out():
    config = default_dsat()
    config.boundaries = False
    assert models.build(config, num_points=98, num_boundaries=13).num_boundaries == 0


def test_default_config_names_every_attribute():
    attributes = DSAT.__dataclass_fields__.keys() - {"num_points", "num_boundaries", "parent", "name"}
    assert set(default_dsat()) - {"name", "boundaries"} == attributes


def test_build_refuses_unknown_names():
    config = default_dsat()
    config.name = "dast"
    with pytest.raises(ValueError, match="unknown model 'dast', expected one of dsat"):
        models.build(config, num_points=68, num_boundaries=13)
    config = default_dsat()
    config.dtype = "float16"
    with pytest.raises(ValueError, match="unknown dtype 'float16', expected one of float32, bfloat16"):
        models.build(config, num_points=68, num_boundaries=13)


def test_prediction_without_heatmaps_is_a_tree():
    doubled = jax.tree.map(lambda x: 2 * x, Prediction(points=jnp.ones((1, 2, 2))))
    assert doubled.heatmaps is None
    assert doubled.points.sum() == 8
