"""The mode `plan`: what a configuration would need on accelerators that are not attached, predicted by compilation.

XLA compiles the real programs of training and evaluation for the chip. Memory and collectives are those of the
programs; times are a roofline, that is a prediction.
"""

import collections
import dataclasses
import json
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from dsat_jax import models, schemes
from dsat_jax.data import mixture
from dsat_jax.files import atomic_files
from dsat_jax.inference.forward import jit_forward
from dsat_jax.runtime import hlo, hlo_costs, sharding, topologies
from dsat_jax.runtime.roofline import roofline
from dsat_jax.runtime.topologies import Topology
from dsat_jax.training import (
    benchmark,
    compiled_programs,
    network_operations,
    optimizer,
    plan_limits,
    plan_table,
    state,
)
from dsat_jax.training.training_step import make_training_step

_LAYERS = 10  # number of layers with the most bytes in the report


def plan(config: ConfigDict, topology: str, out: pathlib.Path) -> dict[str, Any]:
    """Compiles the training step and the evaluation step for a topology, prints the prediction, and writes it as JSON.

    Args:
      config: configuration to plan; no run folder is read or written.
      topology: name of the accelerators, such as v5e:4x4 or h100:8.
      out: JSON file to write.

    Returns:
      The contents of the file.

    Raises:
      UserError: if the topology is unknown, its compiler is missing, or the batch does not spread over the devices.
    """
    config = mixture.with_scheme(config)
    target = topologies.find(topology)
    count = len(target.devices)
    sharding.check_batch_size(
        "config.train.batch_size", config.train.batch_size, config.train.accumulate, count
    )
    mesh = sharding.make_mesh(config.mesh.model, target.devices)
    # JAX's compilation cache writes programs for a topology, but cannot read them without its devices.
    with benchmark.cache_in(None):
        programs = _programs(config, mesh, target)
    training = programs["training"]
    limits = plan_limits.limits(config, training, target) if training["fits"] else []
    results = {
        "prediction": "Compiled for hardware that is not attached, not run. Times are a roofline without latencies.",
        "configuration": config.name,
        "topology": topology,
        "chip": target.chip.name,
        "devices": count,
        "jax": jax.__version__,
        "programs": programs,
        "schedule": _schedule(config.train.steps, training),
        "limits": [dataclasses.asdict(limit) for limit in limits],
        "largest_batch": plan_limits.largest_batch(training, count) if training["fits"] else None,
    }
    print(plan_table.table(results))
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(out, json.dumps(results, indent=2) + "\n")
    return results


def _schedule(steps: int, training: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the hours of a number of training steps; None for a step that does not fit or has no such estimate."""
    times = training.get("roofline", {})
    hours = {
        name: times.get(key) and steps * training["images"] / times[key] / 3600
        for name, key in (("at_best", "images_per_second"), ("by_compiler", "images_per_second_by_compiler"))
    }
    return {"steps": steps, **{f"hours_{name}": value for name, value in hours.items()}}


def abstract_batch(config: ConfigDict, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes, dtypes and shardings of a batch of the training step, without its arrays."""
    count, points, side = (
        config.train.batch_size,
        schemes.find(config.data.scheme).num_points,
        config.input.size,
    )
    shapes = {
        "image": ((count, side, side, 3), jnp.uint8),
        "points": ((count, points, 2), jnp.float32),
        "weights": ((count, points), jnp.float32),
        "damaged": ((count,), jnp.bool_),
    }
    placed = sharding.split_batch(mesh)
    return {name: jax.ShapeDtypeStruct(*shape, sharding=placed) for name, shape in shapes.items()}


def _programs(config: ConfigDict, mesh: Mesh, target: Topology) -> dict[str, dict[str, Any]]:
    """Returns the predictions for training and evaluation."""
    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    template = state.template(mesh, model, transform, config.input.size)
    batch = abstract_batch(config, mesh)
    count = sharding.spread(config.evaluate.batch_size, len(target.devices))
    shape = (count, *batch["image"].shape[1:])
    images = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=sharding.split_batch(mesh))
    one_face = jax.ShapeDtypeStruct((1, *shape[1:]), jnp.float32)
    evaluation_passes = 2 if config.evaluate.mirror else 1
    return {
        "training": _prediction(
            f"training step of {config.train.batch_size} faces",
            lambda: make_training_step(model, transform, config, mesh).lower(template, batch),
            template,
            config.train.batch_size,
            network_operations.step_operations(model, template.ema, one_face),
            target,
        ),
        "evaluation": _prediction(
            f"evaluation step of {count} faces",
            lambda: jit_forward(model, config, mesh).lower(template.ema, images),
            template.ema,
            count,
            evaluation_passes * network_operations.forward_operations(model, template.ema, one_face),
            target,
        ),
    }


def _prediction(
    name: str,
    lower: Callable[[], jax.stages.Lowered],
    held: Any,
    images: int,
    operations: int,
    target: Topology,
) -> dict[str, Any]:
    """Compiles a program and returns its prediction.

    Args:
      name: name for the report.
      lower: function that traces the program.
      held: abstract arrays that remain on the devices between two runs of the program.
      images: faces in a run.
      operations: operations of the network's products for a face, without recomputation.
      target: topology to compile for.
    """
    print(f"compiling the {name} for {target.name} ...", flush=True)
    result = {"name": name, "images": images, "operations_per_face": operations}
    try:
        program = compiled_programs.compiled(lower(), target)
    except jax.errors.JaxRuntimeError as error:
        needed = _exceeded(str(error))
        if needed is None:
            raise
        memory = {"state": _bytes_on_each(held) / 2**30, "chip": target.chip.memory / 2**30}
        return result | {"fits": False, "compiler": needed, "memory_gib": memory}
    result["compile_seconds"] = program.seconds
    costs = hlo_costs.costs_of(hlo.parse(program.text), len(target.devices))
    memory = _memory(program.memory, held, target)
    result |= {"fits": memory["needed"] <= memory["chip"], "memory_gib": memory}
    return result | _costs(costs, images, len(target.devices)) | _times(costs, images, operations, target)


def _exceeded(message: str) -> str | None:
    """Returns the sentence in which XLA refuses a program that exceeds the memory; None for other errors."""
    first = message.splitlines()[0]
    return first.removeprefix("RESOURCE_EXHAUSTED: ") if "RESOURCE_EXHAUSTED" in first else None


def _bytes_on_each(tree: Any) -> int:
    """Returns the bytes of abstract arrays on each device."""
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)


def _memory(parts: Mapping[str, int], held: Any, target: Topology) -> dict[str, float]:
    """Returns the memory on each device in GiB, by XLA's analysis."""
    sizes = {
        "state": _bytes_on_each(held),
        **parts,
        "needed": sum(parts.values()),
        "chip": target.chip.memory,
    }
    return {name: size / 2**30 for name, size in sizes.items()}


def _costs(costs: hlo_costs.Costs, images: int, devices: int) -> dict[str, Any]:
    """Returns what a program does: operations and bytes for a face, collectives, and the layers with the most bytes."""
    kinds = collections.defaultdict(lambda: {"number": 0, "bytes": 0.0, "sent": 0.0})
    for collective in costs.collectives.values():
        kind = kinds[collective.kind]
        kind["number"] += collective.runs
        kind["bytes"] += collective.runs * collective.size
        kind["sent"] += collective.sent
    return {
        "flops_per_face": costs.flops * devices / images,
        "bytes_per_face": costs.bytes * devices / images,
        "bytes_in_all_memories_per_face": costs.accessed * devices / images,
        "instructions": costs.instructions,
        "kernels_without_operations": costs.uncounted_kernels,
        "loops": costs.loops,
        "loops_counted_once": costs.unknown_loops,
        "collectives": dict(kinds),
        "layers": [{"name": name, "bytes": size} for name, size in costs.layers.most_common(_LAYERS)],
    }


def _times(costs: hlo_costs.Costs, images: int, operations: int, target: Topology) -> Mapping[str, Any]:
    """Returns the roofline of a program, the rate and the share of the peak that it allows, and XLA's own estimate."""
    times = roofline(costs, target.chip, target.shape)
    rate = images / times.seconds
    cycles = costs.cycles / target.chip.clock if costs.cycles and target.chip.clock else None
    return {
        "roofline": {
            **{f"{name}_seconds": seconds for name, seconds in dataclasses.asdict(times).items()},
            "seconds": times.seconds,
            "bound": times.bound,
            "images_per_second": rate,
            "share_of_peak": rate * operations / (target.chip.flops * len(target.devices)),
            "compiler_seconds": cycles,
            "images_per_second_by_compiler": cycles and images / max(cycles, times.seconds),
        }
    }
