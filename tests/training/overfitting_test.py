"""Overfitting of a single batch, a test of model, loss, optimiser and training step together."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax import geometry, models
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.training_step import make_training_step
from dsat_jax.warp import warp
from tfds_builders.synthetic_faces.drawing import draw_face

FACES, SIZE = 8, 32
MODELS = {
    "tiny": {"width": 8, "stacks": 1, "transformer_layers": 1, "heads": 2},
    "lotr-tiny": {
        "dim": 64,
        "heads": 2,
        "feed_forward": 64,
        "head_width": 64,
        "encoder_layers": 1,
        "decoder_layers": 1,
    },
}
OPTIMIZERS = {"tiny": {"learning_rate": 2e-2}, "lotr-tiny": {"learning_rate": 1e-3, "backbone_factor": 3.0}}
STEPS = {"tiny": 300, "lotr-tiny": 160}  # of the schedule; 170 and 120 are enough


def small_config(name: str) -> ConfigDict:
    """Returns the configuration of a small network without dropout and without augmentation."""
    config = synthetic.get_config(name)
    config.input.size = SIZE
    config.model.update(MODELS[name])
    config.augment.update(gain=(1.0, 1.0), grey=0.0, low_resolution=0.0, occlusion=0.0)
    config.optimizer.update(schedule="cosine", warmup_steps=10, **OPTIMIZERS[name])
    config.train.update(batch_size=FACES, steps=STEPS[name])
    return config


def drawn_batch(config: ConfigDict) -> dict[str, np.ndarray]:
    """Returns one batch of drawn faces, cropped without augmentation."""
    images, points = [], []
    for index in range(FACES):
        face = draw_face(seed=0, split=0, index=index)
        crop = geometry.crop_matrix(geometry.box_of_points(face.points), SIZE, config.input.enlarge)
        images.append(warp(face.image, crop, SIZE))
        points.append(geometry.transform_points(crop, face.points))
    return {
        "image": np.stack(images),
        "points": np.stack(points).astype(np.float32),
        "weights": np.ones((FACES, len(points[0])), np.float32),
        "damaged": np.zeros(FACES, bool),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "lotr-tiny"])
def test_the_loss_on_one_batch_falls_by_a_factor_of_20(name):
    config = small_config(name)
    model, mesh = models.build_for(config), sharding.make_mesh()
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    current = state.create_on(mesh, model, transform, SIZE, config.seed)
    step = make_training_step(model, transform, config, mesh)
    batch = sharding.place_batch(drawn_batch(config), mesh)
    losses = []
    for _ in range(config.train.steps):
        current, scalars = step(current, batch)
        losses.append(float(scalars["loss"]))
        if losses[-1] < losses[0] / 20:
            break
    assert losses[-1] < losses[0] / 20, losses[::20]
