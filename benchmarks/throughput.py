"""Throughput of the training step and the forward pass of a small DSAT, on all devices of this process.

python -m benchmarks.throughput '{"width": 32, "devices": 1}'          prints images/s as JSON
"""

import argparse
import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax import models, preprocess, schemes
from dsat_jax.errors import UserError
from dsat_jax.runtime import compilation_cache, sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.benchmark import median_seconds
from dsat_jax.training.state import TrainState
from dsat_jax.training.training_step import Batch, TrainingStep, make_training_step


@dataclasses.dataclass(frozen=True)
class Point:
    """The sizes of a measurement; the defaults are the reference of `benchmarks.scaling`.

    Attributes:
      batch_size: images in a batch, over all devices.
      input_size: side of the network's input in pixels.
      width: channels of the hourglasses.
      stacks: number of hourglasses.
      devices: number of devices that share the batch.
    """

    batch_size: int = 8
    input_size: int = 64
    width: int = 64
    stacks: int = 2
    devices: int = 1


def config_at(point: Point) -> ConfigDict:
    """Returns the configuration of a point: `configs/synthetic.py` with its sizes."""
    config = synthetic.get_config()
    config.input.size = point.input_size
    config.model.update(width=point.width, stacks=point.stacks)
    config.train.batch_size = point.batch_size
    return config


def noise_batch(config: ConfigDict) -> dict[str, np.ndarray]:
    """Returns a training batch of noise.

    Returns:
      image: noise, uint8 [batch, size, size, 3].
      points: random landmarks, float32 [batch, points, 2], input pixels.
      weights: ones, float32 [batch, points].
      damaged: False, bool [batch].
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
    """Returns the rates of the training step without the reader (`training`) and of the network (`forward`), images/s.

    Raises:
      UserError: if the number of devices of this process is not that of the point.
    """
    if jax.device_count() != point.devices:
        raise UserError(f"this process has {jax.device_count()} devices, the point has {point.devices}")
    config, mesh = config_at(point), sharding.make_mesh()
    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    created = state.create_on(mesh, model, transform, config.input.size, config.seed)
    batch = sharding.place_batch(noise_batch(config), mesh)
    # The training step deletes the buffers of the state, so that it comes last.
    forward = _forward_seconds(model, created.ema, batch["image"])
    training = _training_seconds(make_training_step(model, transform, config, mesh), created, batch)
    return {"training": point.batch_size / training, "forward": point.batch_size / forward}


def _forward_seconds(model: nn.Module, variables: Any, images: jax.Array) -> float:
    """Median time of the forward pass."""
    forward = jax.jit(functools.partial(model.apply, train=False))
    images = preprocess.to_unit_range(images)
    return median_seconds(lambda: forward(variables, images))


def _training_seconds(step: TrainingStep, current: TrainState, batch: Batch) -> float:
    """Median time of the training step."""

    def take() -> dict[str, jax.Array]:
        nonlocal current
        current, scalars = step(current, batch)
        return scalars

    return median_seconds(take)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the throughput at a point, from and to JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "point", type=json.loads, help="fields of a Point that differ from the reference, JSON"
    )
    fields: dict[str, Any] = parser.parse_args(arguments).point
    compilation_cache.keep()
    try:
        print(json.dumps(measure(Point(**fields))))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
