"""The benchmark: its figures, its table, and the restored compilation cache."""

import json
import time

import jax
import pytest

from configs import synthetic
from dsat_jax import models
from dsat_jax.data import datasets
from dsat_jax.runtime import sharding
from dsat_jax.training import benchmark


def test_the_median_of_rounds_leaves_the_first_out():
    waits = iter([0.2, *[0.01] * 400])
    assert benchmark.median_seconds(lambda: time.sleep(next(waits))) == pytest.approx(0.01, rel=0.3)


@pytest.mark.slow
def test_a_configuration_is_measured(tiny_dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "_LEAST_SECONDS", 0.0)
    config = synthetic.get_config()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset)
    config.input.size = 32
    config.model.update(width=8, heads=2, stacks=0)
    config.train.batch_size = config.evaluate.batch_size = 4
    config.train.keep_decoded = True
    cache = jax.config.jax_compilation_cache_dir
    benchmark.benchmark(config, tmp_path / "new" / "benchmark.json")
    results = json.loads((tmp_path / "new" / "benchmark.json").read_text())
    figures = {figure["name"]: figure for figure in results["figures"]}
    assert figures["forward of 4"]["flops"] == 4 * figures["forward of 1"]["flops"]
    step = figures["training step of 4"]
    assert step["flops"] == 3 * figures["forward of 4"]["flops"]  # forward, and twice that backward
    assert figures["targets of 4"]["images"] == 4
    rate = 1e9 * results["matrix_products_gflops"]["float32"]
    assert step["share"] == pytest.approx(step["flops"] / step["seconds"] / rate)
    sent = 32 * 32 * 3 + 98 * (8 + 4) + 1
    assert f"reader, {sent / 1000:.1f} kB per image to the device" in figures
    assert results["sent_bytes_per_step"] == 4 * sent
    printed = capsys.readouterr().out
    assert "training step of 4" in printed
    assert "decoded images are kept in memory: 61 records x " in printed  # 95 % of 64
    assert jax.config.jax_compilation_cache_dir == cache


@pytest.mark.slow
def test_a_step_with_resident_records_sends_an_int32_for_each_face(tiny_dataset, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "_LEAST_SECONDS", 0.0)
    config = synthetic.get_config()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, resident=True)
    config.input.size = 32
    config.model.update(width=8, heads=2, stacks=0)
    config.train.batch_size = 4
    source = datasets.read_split(config, config.data.train)
    figures, memory = benchmark._training_figures(
        models.build_for(config), config, sharding.make_mesh(), 1e9, source
    )
    assert "61 training images of at most " in capsys.readouterr().out
    assert "reader and step of 4" in {figure.name for figure in figures}
    assert memory["state_and_batch"] * 2**30 > 61 * 3 * 200 * 200  # the images are among the arguments
    reader, sent = benchmark._input_figures(config, source)
    assert (reader.images, sent) == (4, 4 * 4)
