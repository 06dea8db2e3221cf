"""Throughput of a small DSAT at one point: its training step and its forward pass, on all devices of this process.

python -m benchmarks.throughput '{"width": 32, "devices": 1}'          prints images/s as JSON
"""

import dataclasses
import functools
import json
import sys
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax import models, preprocess, schemes
from dsat_jax.runtime import compilation_cache, sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.benchmark import median_seconds
from dsat_jax.training.state import TrainState
from dsat_jax.training.training_step import Batch, TrainingStep, make_training_step


@dataclasses.dataclass(frozen=True)
class Point:
    """What is measured; the defaults are the reference, from which one quantity at a time is varied.

    Attributes:
      batch_size: images in a batch, over all devices.
      input_size: side of the network's input in pixels.
      width: channels of the hourglasses.
      stacks: hourglasses in sequence.
      devices: over which the batch is spread.
    """

    batch_size: int = 8
    input_size: int = 64
    width: int = 64
    stacks: int = 2
    devices: int = 1


def config_at(point: Point) -> ConfigDict:
    """The configuration of a point: `configs/synthetic.py` with its sizes."""
    config = synthetic.get_config()
    config.input.size = point.input_size
    config.model.update(width=point.width, stacks=point.stacks)
    config.train.batch_size = point.batch_size
    return config


def noise_batch(config: ConfigDict) -> dict[str, np.ndarray]:
    """A batch as the reader makes it, of noise: image uint8 [batch, size, size, 3], points [batch, points, 2] in
    pixels, weights [batch, points], damaged [batch].
    """
    random = np.random.default_rng(config.seed)
    count, size = config.train.batch_size, config.input.size
    points = schemes.find(config.data.scheme).num_points
    return {
        "image": random.integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        "points": random.uniform(0, size - 1, (count, points, 2)).astype(np.float32),
        "weights": np.ones((count, points), np.float32),
        "damaged": np.zeros(count, bool),
    }


def measure(point: Point) -> dict[str, float]:
    """Images per second of the whole training step without the reader (`training`), and of the network (`forward`).

    Raises:
      ValueError: if this process has another number of devices.
    """
    if jax.device_count() != point.devices:
        raise ValueError(f"this process has {jax.device_count()} devices, the point has {point.devices}")
    config, mesh = config_at(point), sharding.make_mesh()
    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    created = state.create_on(mesh, model, transform, config.input.size, config.seed)
    batch = sharding.place_batch(noise_batch(config), mesh)
    # The training step consumes the state: it comes last.
    forward = _forward_seconds(model, created.ema, batch["image"])
    training = _training_seconds(make_training_step(model, transform, config, mesh), created, batch)
    return {"training": point.batch_size / training, "forward": point.batch_size / forward}


def _forward_seconds(model: nn.Module, variables: Any, images: jax.Array) -> float:
    forward = jax.jit(functools.partial(model.apply, train=False))
    images = preprocess.to_unit_range(images)
    return median_seconds(lambda: forward(variables, images))


def _training_seconds(step: TrainingStep, current: TrainState, batch: Batch) -> float:
    def take() -> dict[str, jax.Array]:
        nonlocal current
        current, scalars = step(current, batch)
        return scalars

    return median_seconds(take)


def main(point: str) -> None:
    """Prints the throughput at a point that is given as JSON."""
    fields: dict[str, Any] = json.loads(point)
    compilation_cache.keep()
    print(json.dumps(measure(Point(**fields))))


if __name__ == "__main__":
    main(*sys.argv[1:])
