import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax
from made_networks import made_dsat

from dsat_jax.models.backbones import BACKBONES, depthwise
from dsat_jax.models.backbones.blocks import ConvNorm, FrozenNorm, padding
from dsat_jax.models.backbones.depthwise import DepthwiseConv
from dsat_jax.models.backbones.hourglass import patches
from dsat_jax.models.backbones.hrnet import HighResolutionModule
from dsat_jax.models.layers import Conv1x1
from dsat_jax.weights.names import by_name

EPSILON = 1e-5


def shapes(name: str, side: int, frozen: bool = False, dtype: jnp.dtype = jnp.float32) -> tuple:
    """Returns the shapes of the features of two images and of the variables of a backbone."""
    module = BACKBONES[name](frozen=frozen, dtype=dtype, name="backbone")
    images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    return jax.eval_shape(functools.partial(module.init_with_output, train=False), jax.random.key(0), images)


@pytest.mark.parametrize(
    ("name", "parameters", "channels"),
    [
        ("mobilenet_v2", 2_223_872, 1280),
        (
            "efficientnet_lite0",
            4_652_008 - 1_281_000,
            1280,
        ),  # tensorflow/tpu's tests, without the classifier
        ("resnet50", 23_508_032, 2048),
        ("hrnet_w18", 21_299_004 - 2_049_000, 2048),  # without the classifier of 1000 classes
        ("hrnet_w32", 41_232_680 - 2_049_000, 2048),
    ],
)
def test_published_number_of_parameters_and_features_at_a_32nd_of_the_size(name, parameters, channels):
    features, variables = shapes(name, 192)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters
    assert features.shape == (2, 6, 6, channels)
    assert shapes(name, 256)[0].shape == (2, 8, 8, channels)


@pytest.mark.parametrize("width", [32, 48])
def test_an_hourglass_has_the_parameters_of_a_dsat_without_its_head(width):
    features, variables = shapes(f"hourglass_{width}", 96)
    dsat = made_dsat(5, 2, width=width, stacks=1, transformer_layers=1, heads=4, gate="learned")
    images = jax.ShapeDtypeStruct((1, 96, 96, 3), jnp.float32)
    whole = jax.eval_shape(functools.partial(dsat.init, train=False), jax.random.key(0), images)
    expected = {name: leaf for name, leaf in by_name(whole).items() if "/head_" not in name}
    found = {
        name.replace("/trunk/", "/"): leaf for name, leaf in by_name(variables).items() if "/trunk/" in name
    }
    assert {name: leaf.shape for name, leaf in found.items()} == {
        name: leaf.shape for name, leaf in expected.items()
    }
    assert features.shape == (2, 12, 12, 16 * width)


def test_an_hourglass_cannot_be_frozen():
    with pytest.raises(
        ValueError, match=r"config\.model\.freeze_norm is true, expected false for an hourglass"
    ):
        shapes("hourglass_32", 64, frozen=True)


def test_a_patch_holds_its_pixels_row_by_row():
    x = jnp.arange(4 * 6 * 2).reshape(1, 4, 6, 2)
    found = patches(x, 2)
    assert found.shape == (1, 2, 3, 8)
    # Row 1, column 2 of the patches: rows 2 and 3, columns 4 and 5 of the map, whose rows have 12 values.
    np.testing.assert_array_equal(found[0, 1, 2], [32, 33, 34, 35, 44, 45, 46, 47])


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0", "resnet50", "hrnet_w18"])
@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_and_dtype_reach_every_layer(name, frozen):
    """A layer without these attributes would be trained, or would compute in float32."""
    norms, products = [], []

    def record(call, args, kwargs, context):
        if isinstance(context.module, nn.BatchNorm) and context.method_name == "__call__":
            norms.append(context.module)
        if isinstance(context.module, nn.Conv | Conv1x1 | DepthwiseConv):
            products.append(context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        features, variables = shapes(name, 64, frozen, jnp.bfloat16)
    assert {type(norm) for norm in norms} == {FrozenNorm if frozen else nn.BatchNorm}
    assert len(products) == len(norms)
    assert {layer.dtype for layer in norms + products} == {jnp.bfloat16}
    assert features.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_a_frozen_normalisation_is_constant_but_propagates_gradients():
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 4))
    values = np.random.default_rng(0).uniform(0.5, 2, (4, 4)).astype(np.float32)
    params = {"scale": values[0], "bias": values[1] - 1}
    statistics = {"mean": values[2] - 1, "var": values[3]}
    norm = FrozenNorm(use_running_average=True, epsilon=EPSILON)

    def total(params: dict, images: jax.Array) -> jax.Array:
        return norm.apply({"params": params, "batch_stats": statistics}, images).sum()

    d_params, d_images = jax.grad(total, (0, 1))(params, images)
    jax.tree.map(lambda gradient: np.testing.assert_array_equal(gradient, np.zeros(4)), d_params)
    factor = params["scale"] / np.sqrt(statistics["var"] + EPSILON)
    np.testing.assert_allclose(d_images, np.broadcast_to(factor, d_images.shape), rtol=1e-5)


def test_efficientnet_lite_has_the_constants_of_the_published_network():
    """Kernels, strides, padding before and after, of the stem and of each block; epsilon of BatchNorm."""
    convolutions, epsilons = [], set()

    def record(call, args, kwargs, context):
        module = context.module
        if isinstance(module, DepthwiseConv):
            convolutions.append((module.size, module.stride, *module.padding))
        if isinstance(module, nn.Conv):
            assert module.padding[0] == module.padding[1]
            convolutions.append((module.kernel_size[0], module.strides, *module.padding[0]))
        if isinstance(module, nn.BatchNorm):
            epsilons.add(module.epsilon)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        shapes("efficientnet_lite0", 64)
    small, small_strided, large, large_strided = (3, 1, 1, 1), (3, 2, 0, 1), (5, 1, 2, 2), (5, 2, 1, 2)
    assert convolutions == [
        small_strided,
        small,
        *(small_strided, small),
        *(large_strided, large),
        *(small_strided, small, small),
        *(large, large, large),
        *(large_strided, large, large, large),
        small,
    ]
    assert epsilons == {1e-3}


@pytest.mark.parametrize("name", ["hrnet_w18", "efficientnet_lite0"])
def test_sides_that_are_not_multiples_of_32_are_refused(name):
    with pytest.raises(ValueError, match="multiples of 32 pixels, got 48x48"):
        shapes(name, 48)


@pytest.fixture
def images() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (2, 6, 5, 3))


@pytest.mark.parametrize("frozen", [False, True])
def test_freezing_stops_normalisations_but_not_kernels(images, frozen):
    module = ConvNorm(4, 3, frozen=frozen)
    variables = module.init(jax.random.key(1), images, train=True)

    def loss(params: dict) -> tuple[jax.Array, dict]:
        out, updates = module.apply(
            variables | {"params": params}, images, train=True, mutable=["batch_stats"]
        )
        return (out**2).sum(), updates["batch_stats"]

    gradients, statistics = jax.grad(loss, has_aux=True)(variables["params"])
    assert np.all(gradients["conv"]["kernel"] != 0)
    for changed in (
        np.any(gradients["norm"]["scale"] != 0),
        np.any(gradients["norm"]["bias"] != 0),
        np.any(statistics["norm"]["mean"] != variables["batch_stats"]["norm"]["mean"]),
        np.any(statistics["norm"]["var"] != variables["batch_stats"]["norm"]["var"]),
    ):
        assert changed != frozen


def randomise(variables: dict) -> dict:
    """Returns positive random values for all variables, also for biases and statistics."""
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.uniform(0.5, 1.5, leaf.shape).astype(np.float32), variables)


def normalise(x: np.ndarray, variables: dict) -> np.ndarray:
    params, statistics = variables["params"]["norm"], variables["batch_stats"]["norm"]
    deviation = np.sqrt(statistics["var"] + EPSILON)
    return (x - statistics["mean"]) / deviation * params["scale"] + params["bias"]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_stride_2_takes_every_second_pixel_from_the_first(images, size, use_bias, frozen):
    module = ConvNorm(4, size, 2, use_bias=use_bias, activation=None, frozen=frozen)
    variables = randomise(module.init(jax.random.key(1), images, train=False))
    conv, reach = variables["params"]["conv"], size // 2
    kernel = conv["kernel"].reshape(size, size, 3, 4)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    expected = np.zeros((2, 3, 3, 4))
    for row in range(3):
        for column in range(3):  # the window around pixel (2 row, 2 column)
            window = padded[:, 2 * row : 2 * row + size, 2 * column : 2 * column + size]
            expected[:, row, column] = np.einsum("bijc,ijcd->bd", window, kernel)
    assert ("bias" in conv) == use_bias
    expected = normalise(expected + conv.get("bias", 0), variables)
    np.testing.assert_allclose(module.apply(variables, images, train=False), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_same_padding_is_tensorflows(size, stride):
    expected, _ = lax.padtype_to_pads((8, 8), (size, size), (stride, stride), "SAME")
    assert padding(size, stride, same=True) == expected


def test_a_strided_convolution_with_same_padding_starts_at_the_first_pixel(images):
    module = ConvNorm(4, 3, 2, activation=None, same_padding=True, epsilon=0.0)
    images = images[:, :, :4]
    variables = module.init(jax.random.key(1), images, train=False)  # the normalisation is the identity
    window = np.einsum("bijc,ijcd->bd", images[:, :3, :3], variables["params"]["conv"]["kernel"])
    out = module.apply(variables, images, train=False)
    assert out.shape == (2, 3, 2, 4)
    np.testing.assert_allclose(out[:, 0, 0], window, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("taps", "stride", "pads"),
    [(3, 1, (1, 1)), (3, 2, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2)), (5, 2, (2, 2)), (5, 2, (1, 2))],
)
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (2, 4)])
def test_depthwise_taps_equal_the_convolution(size, taps, stride, pads):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, *size, 3))
    kernel = jax.random.normal(keys[1], (taps, taps, 3))
    shape = jax.eval_shape(
        lambda x, kernel: depthwise._by_convolution(x, kernel, stride, pads), x, kernel
    ).shape
    upstream = jax.random.normal(keys[2], shape)

    @functools.partial(jax.jit, static_argnums=0)
    def run(convolve: Callable) -> tuple:
        out, pull_back = jax.vjp(lambda x, kernel: convolve(x, kernel, stride, pads), x, kernel)
        return out, *pull_back(upstream)

    for by_taps, expected in zip(run(depthwise._by_taps), run(depthwise._by_convolution), strict=True):
        np.testing.assert_allclose(by_taps, expected, rtol=0, atol=2e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only a CPU uses the sum of taps")
def test_a_cpu_convolves_by_taps():
    lowered = jax.jit(depthwise.depthwise_conv, static_argnums=(2, 3)).lower(
        jnp.zeros((1, 4, 4, 8)), jnp.zeros((5, 5, 8)), 1, (2, 2)
    )
    assert "convolution" not in lowered.compile().as_text()


@pytest.fixture(scope="module")
def fusion() -> tuple:
    """A module of three branches that returns its positive input, except for the fusing kernels set by a test."""
    module = HighResolutionModule(frozen=True)
    branches = [jnp.full((1, 8 // 2**i, 8 // 2**i, 2), 1.0 + i) for i in range(3)]
    branches[1] = branches[1].at[0, 0, 0].set(10)
    variables = jax.eval_shape(functools.partial(module.init, train=False), jax.random.key(0), branches)
    start = {"kernel": 0.0, "scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0 - EPSILON}
    variables = jax.tree.map_with_path(
        lambda path, leaf: np.full(leaf.shape, start[path[-1].key], np.float32), variables
    )
    return jax.jit(functools.partial(module.apply, train=False)), variables, branches


def fuse(fusion: tuple, **kernels: np.ndarray) -> list[np.ndarray]:
    """Returns the fused branches; `kernels` are the kernels of the fusing convolutions, or their centre taps."""
    apply, variables, branches = fusion
    params = dict(variables["params"])
    for name, kernel in kernels.items():
        full = params[name]["conv"]["kernel"].copy()
        full[(1, 1) if full.ndim == 4 else ()] = kernel
        params[name] = params[name] | {"conv": {"kernel": full}}
    return [np.asarray(x) for x in apply(variables | {"params": params}, branches)]


def test_branches_without_exchange_are_unchanged(fusion):
    for out, branch in zip(fuse(fusion), fusion[2], strict=True):
        np.testing.assert_allclose(out, branch, rtol=1e-6)


def test_coarse_branches_are_enlarged_and_added_before_relu(fusion):
    fine, _, _ = fuse(fusion, fuse_2_to_1=np.array([[1.0, -0.25], [0.0, 0.0]]))
    expected = np.ones((8, 8, 2))
    expected[..., 0] += 2
    expected[..., 1] -= 0.5
    expected[:2, :2, 0] = 11  # 1 + 10: the first coarse pixel covers 2x2 fine pixels
    expected[:2, :2, 1] = 0  # 1 - 2.5
    np.testing.assert_allclose(fine[0], expected, rtol=1e-6)


def test_strided_chains_have_relu_between_but_not_after_their_steps(fusion):
    unit = np.eye(2)
    _, _, coarse = fuse(fusion, fuse_1_to_3_step_1=unit, fuse_1_to_3_step_2=-unit)
    np.testing.assert_allclose(coarse, np.full((1, 2, 2, 2), 3.0 - 1.0), rtol=1e-6)
    _, _, coarse = fuse(fusion, fuse_1_to_3_step_1=-unit, fuse_1_to_3_step_2=-unit)
    np.testing.assert_allclose(coarse, np.full((1, 2, 2, 2), 3.0), rtol=1e-6)
