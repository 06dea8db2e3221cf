"""The kernels of the channel attention in Pallas's TPU interpreter, compared with the formula on the whole map."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import AbstractMesh, AxisType, Mesh

from dsat_jax.models import channel_attention, fused_attention
from dsat_jax.runtime import sharding

# Faces, heads, scales, tokens, channels and all channels. The second form has two blocks of rows.
FORMS = {"small": (2, 2, 2, 3, 24, 64), "blocks": (1, 1, 2, 2, 256, 2048)}


@pytest.fixture
def interpreter():
    """Runs kernels on the CPU, one after the other, on a mesh of one device."""
    mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))
    with jax.set_mesh(mesh), pltpu.force_tpu_interpret_mode():
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


@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize(("form", "dropout"), [("small", 0.0), ("small", 0.25), ("blocks", 0.25)])
def test_kernels_equal_the_formula_and_drop_the_same_elements(form, dropout):
    heads, scales = FORMS[form][1:3]
    seeds = jax.random.split(jax.random.key(3), (heads, scales)) if dropout else None
    kept = factors_of_dropout(form, dropout, seeds) if dropout else 1.0
    ours = with_gradients(lambda *x: fused_attention.attend(dropout, *x, seeds), factors(form))
    expected = with_gradients(lambda *x: by_formula(*x, kept), factors(form))
    for result, reference in zip(ours, expected, strict=True):
        np.testing.assert_allclose(result, reference, rtol=0, atol=4e-6)


@pytest.mark.usefixtures("interpreter")
def test_bfloat16_stays_near_float32():
    halves = [jnp.asarray(factor, jnp.bfloat16) for factor in factors("small")]
    seeds = jax.random.split(jax.random.key(3), FORMS["small"][1:3])
    kept = factors_of_dropout("small", 0.25, seeds)
    ours = with_gradients(lambda *x: fused_attention.attend(0.25, *x, seeds), halves)
    expected = with_gradients(lambda *x: by_formula(*x, kept), factors("small"))
    assert [x.dtype for x in ours] == [jnp.float32, *[jnp.bfloat16] * 3]
    for result, reference in zip(ours, expected, strict=True):
        np.testing.assert_allclose(result.astype(np.float32), reference, rtol=0, atol=0.02)


def arguments(faces=4, channels=24, all_channels=64, dtype=jnp.bfloat16):
    """Returns the shapes of queries and keys."""
    return (
        jax.ShapeDtypeStruct((faces, 2, 2, 3, channels), dtype),
        jax.ShapeDtypeStruct((faces, 2, 3, all_channels), dtype),
    )


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({}, True),
        ({"dtype": jnp.float32}, True),
        ({"dtype": jnp.float16}, False),
        ({"faces": 3}, False),  # on two devices
        ({"all_channels": 96}, False),
        ({"channels": 256, "all_channels": 2048}, True),  # blocks of 128 rows
        ({"channels": 200, "all_channels": 2048}, False),
        ({"channels": 256, "all_channels": 4096}, False),  # blocks of 64 rows
    ],
)
def test_shapes_that_fit(changed, fits):
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",))):
        assert fused_attention.fits(*arguments(**changed), None) is fits


def test_without_a_mesh_or_with_explicit_axes_nothing_fits():
    assert not fused_attention.fits(*arguments(), None)
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",), axis_types=(AxisType.Explicit,))):
        assert not fused_attention.fits(*arguments(), None)


def test_dropout_needs_the_bits_of_partitionable_threefry():
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",))):
        assert fused_attention.fits(*arguments(), jax.random.key(0))
        assert not fused_attention.fits(*arguments(), jax.random.key(0, impl="rbg"))
        assert not fused_attention.fits(*arguments(faces=2**24), jax.random.key(0))
        with jax.threefry_partitionable(False):
            assert not fused_attention.fits(*arguments(), jax.random.key(0))


def in_new_process(function, **environment):
    """Calls a function of this module, without arguments, in a process with other environment variables."""
    root = pathlib.Path(__file__).parents[2]
    paths = [str(root), str(root / "tests" / "models"), os.environ.get("PYTHONPATH", "")]
    variables = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths), **environment}
    code = f"import fused_attention_test; fused_attention_test.{function.__name__}()"
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
    seeds = jax.random.split(jax.random.key(3), FORMS["small"][1:3])
    kept = factors_of_dropout("small", 0.25, seeds)
    expected = by_formula(*factors("small"), kept)
    mesh = sharding.make_mesh()
    assert mesh.size == 2
    placed = [jax.device_put(x, sharding.split_batch(mesh)) for x in factors("small")]
    with jax.set_mesh(mesh), pltpu.force_tpu_interpret_mode():
        ours = jax.jit(lambda *x: fused_attention.attend(0.25, *x, seeds))(*placed)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=4e-6)


@pytest.mark.slow
def test_each_of_two_devices_drops_the_elements_of_its_faces():
    in_new_process(drop_on_two_devices, XLA_FLAGS="--xla_force_host_platform_device_count=2")


def compile_for_tpus():
    """Compiles the attention of the released network and its gradient for four chips that are not attached."""
    from jax.experimental import topologies

    faces, heads, scales, tokens, channels = 32, 4, 4, 16, 256
    shapes = [(faces, heads, scales, tokens, channels), *[(faces, heads, tokens, scales * channels)] * 2]

    def attended(query, key, value):
        return channel_attention.attend(query, key, value, 0.1, jax.random.key(0)).astype(jnp.float32).sum()

    for name in ("v5e:2x2", "v6e:2x2"):
        topology = topologies.get_topology_desc(platform="tpu", topology_name=name)
        mesh = Mesh(
            np.array(topology.devices).reshape(-1, 1),
            ("data", "model"),
            axis_types=(AxisType.Auto,) * 2,
        )
        split = sharding.split_batch(mesh)
        shaped = [jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=split) for shape in shapes]

        def gradients(*x, mesh=mesh):
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
                return jax.grad(attended, argnums=(0, 1, 2))(*x)

        compiled = jax.jit(gradients).lower(*shaped).compile()
        program = compiled.as_text()
        assert program.count('"tpu_custom_call"') == 2, "expected a kernel forward and one backward"
        # A map of all heads and scales takes 128 MB in float32 on each chip.
        assert compiled.memory_analysis().temp_size_in_bytes < 2**24
        assert "256,1024]" not in program


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu, TPU's compiler, is not installed"
)
def test_kernels_compile_for_tpus_and_no_map_remains():
    in_new_process(
        compile_for_tpus,
        ALLOW_MULTIPLE_LIBTPU_LOAD="1",  # no chip is used
        TPU_SKIP_MDS_QUERY="1",  # ends the search for a chip
        TPU_WORKER_HOSTNAMES="localhost",
        TPU_ACCELERATOR_TYPE="v5litepod-4",
    )
