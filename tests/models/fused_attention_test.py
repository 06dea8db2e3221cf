"""The kernels of the channel attention in Pallas's interpreters, compared with the formula on the whole map."""

import functools
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import AbstractDevice, AbstractMesh, AxisType

from dsat_jax.models import channel_attention, fused_attention
from dsat_jax.runtime import hlo, hlo_costs, sharding, topologies

# Faces, heads, scales, tokens, channels and all channels. The second form has two blocks of rows for TPUs, and four
# blocks of rows and 16 of columns for GPUs. The third one has three and two for GPUs.
FORMS = {
    "small": (2, 2, 2, 3, 24, 64),
    "blocks": (1, 1, 2, 2, 256, 2048),
    "groups": (2, 2, 2, 3, 48, 256),
}

AUTOMATIC = (AxisType.Auto,)  # JAX 0.10 has it as its default, JAX 0.12 not


def interpreted(platform):
    """Runs kernels of a platform on the CPU: those of TPUs in a model of the chip, others as functions of arrays."""
    return pltpu.force_tpu_interpret_mode(*[True] * (platform != "tpu"))


@pytest.fixture
def one_device():
    """A mesh of one device."""
    with jax.set_mesh(jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))):
        yield


def factors(form: str) -> list[np.ndarray]:
    """Query, key and value whose scores have a standard deviation near 1."""
    faces, heads, scales, tokens, channels, all_channels = FORMS[form]
    rng = np.random.default_rng(0)
    shapes = [(faces, heads, scales, tokens, channels), *[(faces, heads, tokens, all_channels)] * 2]
    return [(rng.normal(0.2, 1, shape) / tokens**0.25).astype(np.float32) for shape in shapes]


def by_formula(query, key, value, kept=1.0):
    """Returns the attention on the whole map; `kept` are the factors of dropout for each element of the map."""
    attention = jax.nn.softmax(jnp.einsum("bhstc,bhtd->bhscd", query, key), axis=-1) * kept
    return jnp.einsum("bhscd,bhtd->bhstc", attention, value)


def factors_of_dropout(form, dropout, seeds):
    """Returns the factors of the other implementation, [faces, heads, scales, channels, all_channels]."""
    faces, heads, scales, _, channels, all_channels = FORMS[form]
    ones = jnp.ones((faces, channels, all_channels))
    maps = [
        [channel_attention._dropped(ones, dropout, seeds[h, s]) for s in range(scales)] for h in range(heads)
    ]
    return jnp.asarray(maps).transpose(2, 0, 1, 3, 4)


def with_gradients(function, arguments):
    """Returns the attended values and the gradients of a weighted sum of them."""
    weights = np.random.default_rng(1).normal(size=arguments[0].shape).astype(np.float32)

    def weighted(*arguments):
        out = function(*arguments)
        return (out * weights).sum(), out

    gradients, out = jax.jit(jax.grad(weighted, argnums=(0, 1, 2), has_aux=True))(*arguments)
    return out, *gradients


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(
    ("platform", "form", "dropout"),
    [
        ("tpu", "small", 0.0),
        ("tpu", "small", 0.25),
        ("tpu", "blocks", 0.25),
        ("gpu", "groups", 0.0),
        ("gpu", "groups", 0.25),
        ("gpu", "blocks", 0.25),
    ],
)
def test_kernels_equal_the_formula_and_drop_the_same_elements(platform, form, dropout):
    heads, scales = FORMS[form][1:3]
    seeds = jax.random.split(jax.random.key(3), (heads, scales)) if dropout else None
    kept = factors_of_dropout(form, dropout, seeds) if dropout else 1.0
    with interpreted(platform):
        ours = with_gradients(lambda *x: fused_attention.attend(platform, dropout, *x, seeds), factors(form))
    expected = with_gradients(lambda *x: by_formula(*x, kept), factors(form))
    for result, reference in zip(ours, expected, strict=True):
        np.testing.assert_allclose(result, reference, rtol=0, atol=4e-6)


@pytest.mark.usefixtures("one_device")
def test_a_program_of_a_single_device_runs_the_kernels_without_a_mesh():
    arguments = [jnp.asarray(factor) for factor in factors("small")]

    def local(*x):
        assert fused_attention.fits("tpu", *x[:2], None)
        return fused_attention.attend("tpu", 0.0, *x, None)

    with interpreted("tpu"):
        whole = jax.sharding.PartitionSpec()
        program = jax.shard_map(local, in_specs=whole, out_specs=whole, check_vma=False)
        ours = jax.jit(program)(*arguments)
    np.testing.assert_allclose(ours, by_formula(*arguments), rtol=0, atol=4e-6)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(("platform", "form"), [("tpu", "small"), ("gpu", "groups")])
def test_bfloat16_stays_near_float32(platform, form):
    halves = [jnp.asarray(factor, jnp.bfloat16) for factor in factors(form)]
    seeds = jax.random.split(jax.random.key(3), FORMS[form][1:3])
    kept = factors_of_dropout(form, 0.25, seeds)
    with interpreted(platform):
        ours = with_gradients(lambda *x: fused_attention.attend(platform, 0.25, *x, seeds), halves)
    expected = with_gradients(lambda *x: by_formula(*x, kept), factors(form))
    assert [x.dtype for x in ours] == [jnp.float32, *[jnp.bfloat16] * 3]
    for result, reference in zip(ours, expected, strict=True):
        np.testing.assert_allclose(result.astype(np.float32), reference, rtol=0, atol=0.02)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(
    ("platform", "products"),
    [("tpu", [2, 5]), ("gpu", [2, 3, 4])],  # forward, and one or two kernels backward
)
def test_kernels_state_the_operations_of_their_products(platform, products):
    shaped = [
        jax.ShapeDtypeStruct(shape, jnp.float32)
        for shape in ((3, 2, 2, 16, 48), (3, 2, 16, 256), (3, 2, 16, 256))
    ]

    def attended(*x):
        return fused_attention.attend(platform, 0.0, *x, None).sum()

    traced = str(jax.make_jaxpr(jax.grad(attended, argnums=(0, 1, 2)))(*shaped))
    elements = 3 * 2 * 2 * 48 * 256  # faces, heads, scales, rows and columns of the maps
    stated = [int(number) for number in re.findall(r"\bflops\W+(\d+)", traced)]
    assert stated == [2 * elements * 16 * each for each in products]


def arguments(faces=4, tokens=3, channels=24, all_channels=64, dtype=jnp.bfloat16):
    """Returns the shapes of queries and keys."""
    return (
        jax.ShapeDtypeStruct((faces, 2, 2, tokens, channels), dtype),
        jax.ShapeDtypeStruct((faces, 2, tokens, all_channels), dtype),
    )


@pytest.mark.parametrize(
    ("platform", "changed", "fits"),
    [
        ("tpu", {}, True),
        ("tpu", {"dtype": jnp.float32}, True),
        ("tpu", {"dtype": jnp.float16}, False),
        ("tpu", {"faces": 3}, False),  # on two devices
        ("tpu", {"all_channels": 96}, False),
        ("tpu", {"channels": 256, "all_channels": 2048}, True),  # blocks of 128 rows
        ("tpu", {"channels": 200, "all_channels": 2048}, False),
        ("tpu", {"channels": 256, "all_channels": 4096}, False),  # blocks of 64 rows
        ("gpu", {"channels": 48}, True),
        ("gpu", {"channels": 24}, False),  # no block of 16 rows
        ("gpu", {"channels": 48, "all_channels": 96}, False),
        ("gpu", {"channels": 256, "all_channels": 4096}, True),
        ("gpu", {"channels": 48, "tokens": 65}, False),
        ("gpu", {"channels": 48, "dtype": jnp.float16}, False),
        ("gpu", {"channels": 48, "faces": 3}, False),
    ],
)
def test_shapes_that_fit(platform, changed, fits):
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",), axis_types=AUTOMATIC)):
        assert fused_attention.fits(platform, *arguments(**changed), None) is fits


def test_without_a_mesh_or_with_explicit_axes_nothing_fits():
    assert not fused_attention.fits("tpu", *arguments(), None)
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",), axis_types=(AxisType.Explicit,))):
        assert not fused_attention.fits("tpu", *arguments(), None)


def test_dropout_needs_the_bits_of_partitionable_threefry():
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",), axis_types=AUTOMATIC)):
        assert fused_attention.fits("tpu", *arguments(), jax.random.key(0))
        assert not fused_attention.fits("tpu", *arguments(), jax.random.key(0, impl="rbg"))
        assert not fused_attention.fits("tpu", *arguments(faces=2**24), jax.random.key(0))
        with jax.threefry_partitionable(False):
            assert not fused_attention.fits("tpu", *arguments(), jax.random.key(0))


@pytest.mark.parametrize(
    ("kind", "platform", "kernels"),
    [
        ("TPU v5 lite", "tpu", 1),
        ("NVIDIA H100 80GB HBM3", "gpu", 1),
        ("NVIDIA A100-SXM4-80GB", "gpu", 0),
        ("cpu", "cpu", 0),
    ],
)
def test_kernels_are_chosen_by_the_devices_of_the_mesh(kind, platform, kernels):
    device = AbstractDevice(device_kind=kind, num_cores=None, platform=platform)
    query, key = arguments(channels=48, all_channels=64)
    with jax.sharding.use_abstract_mesh(
        AbstractMesh((2,), ("data",), axis_types=AUTOMATIC, abstract_device=device)
    ):
        traced = str(jax.make_jaxpr(channel_attention.attend)(query, key, key))
    assert traced.count("pallas_call") == kernels


def in_new_process(function, *arguments, **environment):
    """Calls a function of this module, with strings as arguments, in a process with other environment variables."""
    root = pathlib.Path(__file__).parents[2]
    paths = [str(root), str(root / "tests" / "models"), os.environ.get("PYTHONPATH", "")]
    variables = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths), **environment}
    code = f"import fused_attention_test; fused_attention_test.{function.__name__}(*{arguments})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def drop_on_two_devices():
    """Compares faces on two devices with the formula: each device drops the elements of its own faces."""
    mesh = sharding.make_mesh()
    assert mesh.size == 2
    for platform, form in (("tpu", "small"), ("gpu", "groups")):
        seeds = jax.random.split(jax.random.key(3), FORMS[form][1:3])
        expected = by_formula(*factors(form), factors_of_dropout(form, 0.25, seeds))
        placed = [jax.device_put(x, sharding.split_batch(mesh)) for x in factors(form)]
        with jax.set_mesh(mesh), interpreted(platform):
            attend = functools.partial(fused_attention.attend, platform, 0.25, seeds=seeds)
            ours = jax.jit(lambda *x, attend=attend: attend(*x))(*placed)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=4e-6)


@pytest.mark.slow
def test_each_of_two_devices_drops_the_elements_of_its_faces():
    in_new_process(drop_on_two_devices, XLA_FLAGS="--xla_force_host_platform_device_count=2")


def compile_for(name, dtype):
    """Compiles the attention of the released network and its gradient for devices that are not attached.

    Args:
      name: name of the topology.
      dtype: dtype of queries, keys and values.
    """
    topology = topologies.find(name)
    mesh = sharding.make_mesh(1, topology.devices)
    faces, heads, scales, tokens, channels = 8 * mesh.size, 4, 4, 16, 256
    shapes = [(faces, heads, scales, tokens, channels), *[(faces, heads, tokens, scales * channels)] * 2]
    split = sharding.split_batch(mesh)
    shaped = [jax.ShapeDtypeStruct(shape, dtype, sharding=split) for shape in shapes]

    def attended(query, key, value):
        return channel_attention.attend(query, key, value, 0.1, jax.random.key(0)).astype(jnp.float32).sum()

    gradients = sharding.traced_on(mesh, jax.grad(attended, argnums=(0, 1, 2)))
    options = dict(topology.compiler_options)
    compiled = jax.jit(gradients).lower(*shaped).compile(compiler_options=options)
    program = compiled.as_text()
    is_gpu = name.startswith("h100")
    # A kernel forward, and one backward for TPUs or two for GPUs.
    assert program.count("__gpu$xla.gpu.triton" if is_gpu else '"tpu_custom_call"') == (3 if is_gpu else 2)
    # A map of all heads and scales takes 2**27 bytes in float32 on each device, and a workspace of cuBLAS 2**25.
    assert compiled.memory_analysis().temp_size_in_bytes < 2**24 + 2**25 * is_gpu
    assert "256,1024]" not in program
    costs = hlo_costs.costs_of(hlo.parse(program), mesh.size)
    kernels = {"bfloat16": "bf16", "float32": "f32"}[dtype], "default"
    elements = 8 * heads * scales * channels * scales * channels
    assert costs.products[kernels] == 2 * elements * tokens * (9 if is_gpu else 7)
    assert costs.uncounted_kernels == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("name", ["v5e:2x2", "v5p:2x2x1", "v6e:2x2", "h100", "h100:2"])
def test_kernels_compile_for_devices_that_are_not_attached_and_no_map_remains(name, dtype):
    compiler = "jax_cuda13_plugin" if name.startswith("h100") else "libtpu"
    if importlib.util.find_spec(compiler) is None:
        pytest.skip(f"the compiler for {name}, {compiler}, is not installed")
    in_new_process(compile_for, name, dtype)
