"""The learning-rate schedule and the optimiser that a configuration names."""

import jax
import optax
from ml_collections import ConfigDict

from dsat_jax.config import choose
from dsat_jax.errors import UserError


def _cosine(config: ConfigDict, steps: int) -> optax.Schedule:
    return optax.cosine_decay_schedule(config.learning_rate, max(steps - config.warmup_steps, 1))


def _step(config: ConfigDict, steps: int) -> optax.Schedule:
    # `step_at` counts from the start of the run, but this schedule starts after the warm-up.
    changes = [max(round(share * steps) - config.warmup_steps, 0) for share in config.step_at]
    factors = {step: config.step_factor ** changes.count(step) for step in changes}
    return optax.piecewise_constant_schedule(config.learning_rate, factors)


def _constant(config: ConfigDict, steps: int) -> optax.Schedule:
    del steps
    return optax.constant_schedule(config.learning_rate)


SCHEDULES = {"cosine": _cosine, "step": _step, "constant": _constant}


def _adam(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adam(schedule, b1=config.b1, b2=config.b2)


def _adamw(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(schedule, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay, mask=_decaying)


def _lamb(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    # LAMB's trust ratio is per array: an array that stacks hourglasses, heads or scales has one ratio for all of them.
    return optax.lamb(schedule, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay, mask=_decaying)


def _decaying(params: optax.Params) -> optax.Params:
    """Marks the parameters with weight decay: all but biases and scales.

    The name decides, not the number of dimensions, because biases and scales can be stacked.
    """
    return jax.tree.map_with_path(lambda path, _: path[-1].key not in ("bias", "scale"), params)


OPTIMIZERS = {"adam": _adam, "adamw": _adamw, "lamb": _lamb}


def make_schedule(config: ConfigDict, steps: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step: a linear warm-up from 0, then `config.schedule`.

    Args:
      config: `config.optimizer`.
      steps: number of steps of the whole run.
    """
    schedule = choose(SCHEDULES, config.schedule, "schedule")(config, steps)
    if config.warmup_steps == 0:
        return schedule
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, schedule], [config.warmup_steps])


def make_optimizer(config: ConfigDict, steps: int) -> optax.GradientTransformation:
    """Returns the optimiser of a run.

    It clips the global gradient norm if `config.clip_norm` is positive, and multiplies the backbone's learning rate by
    `config.backbone_factor`.

    Args:
      config: `config.optimizer`.
      steps: number of steps of the whole run.
    """
    parts = [choose(OPTIMIZERS, config.name, "optimizer")(config, make_schedule(config, steps))]
    if config.clip_norm > 0:
        parts.insert(0, optax.clip_by_global_norm(config.clip_norm))
    if config.backbone_factor != 1:
        # All optimisers multiply by the learning rate last, after weight decay, so that the factor scales it.
        parts.append(optax.masked(optax.scale(config.backbone_factor), _backbone))
    return optax.chain(*parts)


def _backbone(params: optax.Params) -> optax.Params:
    """Marks the parameters of the backbone.

    Raises:
      UserError: if there is none.
    """
    if "backbone" not in params:
        raise UserError("config.optimizer.backbone_factor is not 1, but the model has no backbone")
    return jax.tree.map_with_path(lambda path, _: path[0].key == "backbone", params)
