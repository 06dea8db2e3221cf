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


def test_processors_of_other_capabilities_have_other_folders(cache_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders = []
    for processor in ("flags: avx2", "flags: avx2 avx512f", "flags: avx2"):
        monkeypatch.setattr(compilation_cache, "_processor", lambda processor=processor: processor)
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.keep()
        folders.append(jax.config.jax_compilation_cache_dir)
    assert folders[0] == folders[2] != folders[1]
    assert folders[0].startswith(f"{tmp_path}/dsat_jax/compiled/")


def test_a_folder_that_is_already_set_stays(cache_dir):
    jax.config.update("jax_compilation_cache_dir", "/somewhere")
    compilation_cache.keep()
    assert jax.config.jax_compilation_cache_dir == "/somewhere"
