"""The folder of compiled programs."""

import jax
import pytest

from dsat_jax.runtime import compilation_cache


@pytest.fixture
def cache_dir():
    """JAX's setting, restored afterwards."""
    before = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_programs_are_kept_apart_by_what_the_processor_can_do(cache_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = []
    for processor in ("flags: avx2", "flags: avx2 avx512f", "flags: avx2"):
        monkeypatch.setattr(compilation_cache, "_processor", lambda processor=processor: processor)
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.keep()
        found.append(jax.config.jax_compilation_cache_dir)
    assert found[0] == found[2] != found[1]
    assert found[0].startswith(f"{tmp_path}/dsat_jax/compiled/")


def test_a_folder_that_the_user_has_chosen_stays(cache_dir):
    jax.config.update("jax_compilation_cache_dir", "/somewhere")
    compilation_cache.keep()
    assert jax.config.jax_compilation_cache_dir == "/somewhere"
