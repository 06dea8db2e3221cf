"""Run folders of tiny networks with random weights, in place of trained ones."""

import pathlib
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import synthetic, w300
from dsat_jax import models
from dsat_jax.checkpoints import manager
from dsat_jax.config import save_config
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state

SIZE = 32
DSAT = {"width": 8, "stacks": 1, "transformer_layers": 1, "heads": 2}
LOTR = {"dim": 16, "heads": 2, "feed_forward": 32, "head_width": 16, "encoder_layers": 1, "decoder_layers": 1}
RUNS = {
    "learned": (synthetic.get_config, "tiny", DSAT),
    "released": (w300.get_config, "dsat-released", DSAT),
    "lotr-tiny": (synthetic.get_config, "lotr-tiny", LOTR),
    "lotr-r+": (w300.get_config, "lotr-r+", LOTR),
    "lotr-hr+": (w300.get_config, "lotr-hr+", LOTR | {"backbone": "hrnet_w18"}),
}


def tiny_config(name: str) -> ConfigDict:
    """Returns the configuration of one of `RUNS`, with a small input and network."""
    get_config, variant, change = RUNS[name]
    config = get_config(variant)
    config.input.size = SIZE
    config.model.update(change)
    return config


def random_like(tree: Any) -> Any:
    """Returns random arrays of the shapes of a tree, scaled so that activations neither vanish nor explode."""
    random = np.random.default_rng(0)

    def draw(path: tuple, leaf: Any) -> np.ndarray:
        if path[-1].key in ("scale", "var"):
            values = random.uniform(0.9, 1.1, leaf.shape)
        elif path[-1].key in ("bias", "mean"):
            values = random.uniform(-0.1, 0.1, leaf.shape)
        else:
            values = random.normal(0, 0.6 * np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape)
        return values.astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, tree)


def begin_run(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Creates a run folder whose checkpoint contains random weights."""
    save_config(config, workdir)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    template = state.template(sharding.make_mesh(), models.build_for(config), transform, SIZE)
    saved = manager.Checkpoints(workdir)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
    initial = zeros.replace(ema=random_like(template.ema))
    saved.save(jax.device_put(initial, sharding.shardings_of(template)), 100.0)
    saved.close()
