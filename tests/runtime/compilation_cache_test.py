"""The folder of compiled programs."""

import jax
import pytest

from dsat_jax import Predictor
from dsat_jax.runtime import compilation_cache

SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def cache_dir():
    """JAX's settings, restored afterwards."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


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


def test_the_folder_can_be_chosen(cache_dir, tmp_path):
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.keep(tmp_path)
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    assert jax.config.jax_persistent_cache_min_compile_time_secs < 1  # JAX's default


def test_a_folder_that_is_already_set_stays(cache_dir, tmp_path):
    jax.config.update("jax_compilation_cache_dir", "/somewhere")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 3.0)
    for folder in (None, tmp_path):
        compilation_cache.keep(folder)
        assert jax.config.jax_compilation_cache_dir == "/somewhere"
        assert jax.config.jax_persistent_cache_min_compile_time_secs == 3


def test_a_shipped_network_keeps_its_programs_only_on_request(cache_dir, tmp_path):
    jax.config.update("jax_compilation_cache_dir", None)
    Predictor.pretrained("lotr-300w")
    assert jax.config.jax_compilation_cache_dir is None
    Predictor.pretrained("lotr-300w", cache=tmp_path)
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)
