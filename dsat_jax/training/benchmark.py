"""The mode `benchmark`: speed of a configuration on this machine, in seconds and as a share of the machine's peak rate.

`benchmarks/README.md` explains every figure.
"""

import contextlib
import dataclasses
import datetime
import functools
import json
import os
import pathlib
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import models, schemes
from dsat_jax.data import decoded_records, mixture, resident_records
from dsat_jax.data.batches import Sample, training_batches
from dsat_jax.files import atomic_files
from dsat_jax.runtime import sharding
from dsat_jax.training import objective, optimizer, state
from dsat_jax.training.network_operations import forward_operations, step_operations
from dsat_jax.training.training_step import device_fields, make_training_step, place_batch

# Lower limits of each measurement; both must be reached.
_LEAST_SECONDS = 3.0
_LEAST_ROUNDS = 5
_MATRIX_SIDES = {"cpu": 2048}
_MATRIX_SIDE = 8192  # on all other platforms


@dataclasses.dataclass(frozen=True)
class Figure:
    """The result of one measurement.

    Attributes:
      name: name of the measured operation.
      seconds: median time of one round.
      images: number of images in a round; 0 if it has none.
      flops: operations of the matrix products and convolutions in a round, two for each multiply-add; None if they
        are not counted.
      share: rate of these operations, divided by the machine's rate of matrix products of the same dtype; None if
        `flops` is None.
    """

    name: str
    seconds: float
    images: int = 0
    flops: float | None = None
    share: float | None = None


def benchmark(config: ConfigDict, out: pathlib.Path) -> dict[str, Any]:
    """Measures a configuration on all devices of this process, prints a table, and writes it as JSON.

    The network runs at batches of one and of `config.evaluate.batch_size`, the training step at
    `config.train.batch_size`.

    Args:
      config: configuration to measure; no run folder is read or written.
      out: JSON file to write.

    Returns:
      The contents of the file.

    Raises:
      UserError: if the dataset has not been built, or its decoded images do not fit into memory.
    """
    config = mixture.with_scheme(config)
    mesh, model = sharding.make_mesh(config.mesh.model), models.build_for(config)
    source = mixture.read_training(config)
    if config.train.keep_decoded:
        print(decoded_records.planned_memory(source, config.train.reader_processes))
    rates = {name: matrix_product_rate(dtype) for name, dtype in models.DTYPES.items()}
    rate = rates[config.model.dtype] * jax.device_count()
    with _empty_cache():
        forward = _forward_figures(model, config, mesh, rate)
        training, memory = _training_figures(model, config, mesh, rate, source)
    reader, sent = _input_figures(config, source)
    figures = [*forward, *training, reader]
    results = {
        "configuration": config.name,
        "machine": machine(),
        "matrix_products_gflops": {name: value / 1e9 for name, value in rates.items()},
        "memory_gib": memory,
        "sent_bytes_per_step": sent,
        "figures": list(map(dataclasses.asdict, figures)),
    }
    print(_table(results, figures))
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(out, json.dumps(results, indent=2) + "\n")
    return results


def matrix_product_rate(dtype: jnp.dtype) -> float:
    """Returns the operations per second of a large matrix product on the first device, two for each multiply-add."""
    side = _MATRIX_SIDES.get(jax.default_backend(), _MATRIX_SIDE)
    left, right = (jax.random.normal(jax.random.key(i), (side, side), dtype) for i in range(2))
    product = jax.jit(jnp.matmul)
    return 2 * side**3 / median_seconds(lambda: product(left, right))


def median_seconds(work: Callable[[], Any]) -> float:
    """Returns the median time of a round of work until its results are ready, in seconds.

    The first round is a warm-up and does not count.
    """
    jax.block_until_ready(work())
    rounds: list[float] = []
    while len(rounds) < _LEAST_ROUNDS or sum(rounds) < _LEAST_SECONDS:
        started = time.perf_counter()
        jax.block_until_ready(work())
        rounds.append(time.perf_counter() - started)
    return statistics.median(rounds)


@contextlib.contextmanager
def _empty_cache() -> Iterator[None]:
    """Uses an empty folder as compilation cache, so that the first compilation of each program finds nothing in it."""
    with tempfile.TemporaryDirectory() as folder, cache_in(folder):
        yield


@contextlib.contextmanager
def cache_in(folder: str | None) -> Iterator[None]:
    """Uses a folder as compilation cache until the context ends; None for no cache."""
    before = jax.config.jax_compilation_cache_dir
    _use_cache(folder)
    try:
        yield
    finally:
        _use_cache(before)


def _use_cache(folder: str | None) -> None:
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()
    jax.clear_caches()


def _compile(
    name: str, make: Callable[[], Any], arguments: Sequence[Any]
) -> tuple[jax.stages.Compiled, list[Figure]]:
    """Returns a jitted function compiled for arguments, and the compilation times without and with the cache."""
    figures = []
    for state_of_cache in ("cold", "cached"):
        jax.clear_caches()
        started = time.perf_counter()
        compiled = make().lower(*arguments).compile()
        figures.append(Figure(f"compile {name}, {state_of_cache}", time.perf_counter() - started))
    return compiled, figures


def _computing(name: str, work: Callable[[], Any], images: int, flops: float, rate: float) -> Figure:
    seconds = median_seconds(work)
    return Figure(name, seconds, images, flops, flops / seconds / rate)


def _forward_figures(model: nn.Module, config: ConfigDict, mesh: Mesh, rate: float) -> list[Figure]:
    """Returns the figures of the network alone, without mirror averaging."""
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    variables = state.create_on(mesh, model, transform, config.input.size, config.seed).ema
    figures = []
    for batch_size in dict.fromkeys((1, config.evaluate.batch_size)):
        shape = (sharding.spread(batch_size), config.input.size, config.input.size, 3)
        images = jax.device_put(np.zeros(shape, np.float32), sharding.split_batch(mesh))
        name = f"forward of {shape[0]}"
        compiled, compilation = _compile(
            name, lambda: jax.jit(functools.partial(model.apply, train=False)), (variables, images)
        )
        flops = forward_operations(model, variables, images)
        run = functools.partial(compiled, variables, images)
        figures += [*compilation, _computing(name, run, shape[0], flops, rate)]
    return figures


def _training_figures(
    model: nn.Module, config: ConfigDict, mesh: Mesh, rate: float, source: Sequence[Any]
) -> tuple[list[Figure], dict[str, float]]:
    """Returns the figures of the training step, alone and with the reader, and its memory in GiB."""
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    current = state.create_on(mesh, model, transform, config.input.size, config.seed)
    resident = None
    if config.data.resident:
        print(resident_records.memory(planned := resident_records.plan(source, config, mesh), mesh))
        resident = resident_records.load(planned, source, config, mesh)
    with _batches(config, source) as batches:

        def next_batch() -> dict[str, Any]:
            return place_batch(next(batches), config, mesh, resident)

        placed, count = next_batch(), config.train.batch_size
        step, figures = _compile(
            f"training step of {count}",
            lambda: make_training_step(model, transform, config, mesh),
            (current, placed),
        )
        images = jax.ShapeDtypeStruct((count, config.input.size, config.input.size, 3), jnp.float32)
        flops = step_operations(model, current.ema, images)

        def train_on(batch: dict[str, jax.Array]) -> Any:
            nonlocal current
            current, scalars = step(current, batch)
            return scalars

        figures.append(_computing(f"training step of {count}", lambda: train_on(placed), count, flops, rate))
        figures.append(
            _computing(f"reader and step of {count}", lambda: train_on(next_batch()), count, flops, rate)
        )
    if config.loss.heatmap > 0:
        predicted = jax.eval_shape(functools.partial(model.apply, train=False), current.ema, images)
        figures += _target_figures(config, predicted.heatmaps)
    return figures, _memory(step)


def _memory(step: jax.stages.Compiled) -> dict[str, float]:
    """Returns memory in GiB: that of the training step on each device, by XLA's analysis, and this process's peak."""
    analysed = step.memory_analysis()
    return {
        "state_and_batch": analysed.argument_size_in_bytes / 2**30,
        "beside_them": analysed.temp_size_in_bytes / 2**30,
        "host_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _target_figures(config: ConfigDict, heatmaps: jax.ShapeDtypeStruct) -> list[Figure]:
    """Returns the figure for the rendering of a batch's target heatmaps, which the training step includes."""
    scheme, count = schemes.find(config.data.scheme), heatmaps.shape[0]
    points = np.full((count, scheme.num_points, 2), config.input.size / 2, np.float32)
    draw = jax.jit(lambda points: objective.heatmap_targets(heatmaps, points, config, scheme))
    return [Figure(f"targets of {count}", median_seconds(lambda: draw(points)), count)]


def _input_figures(config: ConfigDict, source: Sequence[Any]) -> tuple[Figure, int]:
    """Returns the figure for the reader alone, which makes batches on the host, and the bytes that a step sends."""
    count = config.train.batch_size
    with _batches(config, source) as batches:
        first = next(batches)
        seconds = median_seconds(lambda: next(batches)["record"])
    sent = sum(first[name].nbytes for name in device_fields(config))
    return Figure(f"reader, {sent / count / 1e3:.1f} kB per image to the device", seconds, count), sent


@contextlib.contextmanager
def _batches(config: ConfigDict, source: Sequence[Any]) -> Iterator[Iterator[Sample]]:
    """Yields the reader's batches; with `config.train.keep_decoded` only those after the first epoch."""
    with contextlib.closing(training_batches(config, source, 0)) as batches:
        if config.train.keep_decoded:
            for _ in range(-(-len(source) // config.train.batch_size)):
                next(batches)
        yield batches


def machine() -> dict[str, Any]:
    """Returns a description of this machine: devices, cores, processor, version of JAX, and the date in UTC."""
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "devices": jax.device_count(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.processor() or platform.machine(),
        "jax": jax.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _table(results: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """Returns the figures as lines of text."""
    machine, memory = results["machine"], results["memory_gib"]
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in results["matrix_products_gflops"].items())
    lines = [
        f"{results['configuration']} on {machine['devices']} x {machine['device']}, {machine['cores']} cores, jax "
        f"{machine['jax']}",
        f"matrix products, GFLOP/s: {rates}",
        f"training step, GiB: {memory['state_and_batch']:.2f} state and batch, {memory['beside_them']:.2f} temporary",
        f"host: at most {memory['host_peak']:.2f} GiB; {results['sent_bytes_per_step']} bytes sent in a training step",
        f"{'':44} {'ms':>10} {'images/s':>9} {'GFLOP':>8} {'GFLOP/s':>8} {'share':>6}",
    ]
    for figure in figures:
        line = f"{figure.name:44} {1000 * figure.seconds:10.1f}"
        if figure.images:
            line += f" {figure.images / figure.seconds:9.1f}"
        if figure.flops and figure.share:
            giga = figure.flops / 1e9
            line += f" {giga:8.1f} {giga / figure.seconds:8.1f} {100 * figure.share:5.1f}%"
        lines.append(line)
    return "\n".join(lines)
