"""Compiled programs that are kept between processes."""

import types

import jax
import jax.numpy as jnp
import pytest

from dsat_jax.training.compiled_programs import compiled

HERE = types.SimpleNamespace(name="here", compiler_options={})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty folder as the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dsat_jax" / "plans"


def lowered(function) -> jax.stages.Lowered:
    return jax.jit(function).lower(jax.ShapeDtypeStruct((4, 8), jnp.float32))


def test_a_program_is_compiled_once(cache):
    first = compiled(lowered(lambda x: x @ x.T), HERE)
    assert " dot(" in first.text
    assert first.memory["arguments"] == 4 * 4 * 8
    assert first.memory["results"] == 4 * 4 * 4
    assert len(list(cache.iterdir())) == 1
    assert compiled(lowered(lambda x: x @ x.T), HERE) == first  # with the time of the first compilation


@pytest.mark.parametrize(
    ("function", "target"),
    [
        (lambda x: x.T @ x, HERE),
        (lambda x: x @ x.T, types.SimpleNamespace(name="there", compiler_options={})),
        (
            lambda x: x @ x.T,
            types.SimpleNamespace(name="here", compiler_options={"xla_backend_optimization_level": 1}),
        ),
    ],
)
def test_another_program_topology_or_option_is_compiled_again(cache, function, target):
    compiled(lowered(lambda x: x @ x.T), HERE)
    compiled(lowered(function), target)
    assert len(list(cache.iterdir())) == 2
