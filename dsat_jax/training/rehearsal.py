"""Checks of a configuration before anything is drawn, read or compiled: its names, and its training step by shapes.

`config.check` knows the fields of a configuration; here it is checked with what the names in them stand for.
"""

from collections.abc import Collection, Mapping

import jax
from ml_collections import ConfigDict

from dsat_jax import decode, losses, metrics, models, schemes
from dsat_jax.data import datasets, mixture
from dsat_jax.errors import UserError
from dsat_jax.inference import terminal
from dsat_jax.models.backbones import BACKBONES
from dsat_jax.models.gate import GATES
from dsat_jax.models.transformer import POSITIONS
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, plan, state, training_step

# What the fields may name; a model has some of those in `model`.
NAMES: Mapping[str, Collection[str]] = {
    "model.gate": ("none", *GATES),
    "model.backbone": BACKBONES,
    "model.position": POSITIONS,
    "model.dtype": models.DTYPES,
    "loss.penalty": losses.PENALTIES,
    "optimizer.name": optimizer.OPTIMIZERS,
    "optimizer.schedule": optimizer.SCHEDULES,
    "train.statistics": training_step.STATISTICS,
    "train.not_finite": training_step.GUARDS,
    "evaluate.decoder": decode.DECODERS,
    "evaluate.normaliser": metrics.NORMALISERS,
}


def check_names(config: ConfigDict) -> None:
    """Checks the fields that name an entry of a table.

    Args:
      config: run's configuration.

    Raises:
      UserError: if a name is unknown; the message has a clause for each.
    """
    problems = []
    for field, known in NAMES.items():
        section, key = field.split(".")
        name = config[section].get(key)
        if name is not None and name not in known:
            problems.append(f"config.{field} is {name!r}, expected one of {', '.join(known)}")
    if problems:
        raise UserError("; ".join(problems))


def rehearse(config: ConfigDict) -> None:
    """Traces the training step with shapes instead of arrays, which takes seconds.

    Args:
      config: run's configuration; the datasets that it names need not have been built, unless its landmarks depend on
        them.

    Raises:
      FileNotFoundError: if the landmarks are stored with a dataset that has not been built.
      UserError: if network, losses, optimiser, batch and devices do not fit together, or a split that is not drawn yet
        will not be.
    """
    if jax.process_index() == 0:
        terminal.note("checking the configuration before faces are drawn")
    for number, alone in enumerate(mixture.each_alone(config)):
        if datasets.must_be_drawn(alone):
            # Validation and tests are of the run's own dataset, which is the first.
            others = () if number else (config.data.validation, *config.data.test)
            datasets.check_drawn(alone, (alone.data.train, *others))
    config = mixture.with_scheme(config)
    mesh = sharding.make_mesh(config.mesh.model)
    sharding.check_batch_size("config.train.batch_size", config.train.batch_size, config.train.accumulate)
    metrics.normaliser_name(config.evaluate.normaliser, schemes.find(config.data.scheme))
    model = models.build_for(config)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    step = training_step.make_training_step(model, transform, config, mesh)
    template = state.template(mesh, model, transform, config.input.size)
    jax.eval_shape(step, template, plan.abstract_batch(config, mesh))
