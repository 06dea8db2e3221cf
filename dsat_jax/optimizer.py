"""The learning-rate schedule and the optimiser that a configuration names."""

import jax
import optax
from ml_collections import ConfigDict


def _cosine(config: ConfigDict, steps: int) -> optax.Schedule:
    return optax.cosine_decay_schedule(config.learning_rate, max(steps - config.warmup_steps, 1))


def _step(config: ConfigDict, steps: int) -> optax.Schedule:
    del steps
    return optax.exponential_decay(
        config.learning_rate, config.step_every, config.step_factor, staircase=True
    )


def _constant(config: ConfigDict, steps: int) -> optax.Schedule:
    del steps
    return optax.constant_schedule(config.learning_rate)


SCHEDULES = {"cosine": _cosine, "step": _step, "constant": _constant}


def _adam(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adam(schedule, b1=config.b1, b2=config.b2)


def _adamw(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(schedule, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay, mask=_matrices)


def _matrices(params: optax.Params) -> optax.Params:
    """Marks what decays: kernels and projections, not biases, scales or other vectors."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


OPTIMIZERS = {"adam": _adam, "adamw": _adamw}


def make_schedule(config: ConfigDict, steps: int) -> optax.Schedule:
    """The learning rate of each step: a linear warm-up from 0, then `config.schedule`.

    Args:
      config: `config.optimizer`.
      steps: of the whole run.

    Returns:
      A function of the step.
    """
    schedule = SCHEDULES[config.schedule](config, steps)
    if config.warmup_steps == 0:
        return schedule
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, schedule], [config.warmup_steps])


def make_optimizer(config: ConfigDict, steps: int) -> optax.GradientTransformation:
    """The optimiser of a run, with gradient clipping where `config.clip_norm` is positive.

    Args:
      config: `config.optimizer`.
      steps: of the whole run.
    """
    transform = OPTIMIZERS[config.name](config, make_schedule(config, steps))
    if config.clip_norm > 0:
        return optax.chain(optax.clip_by_global_norm(config.clip_norm), transform)
    return transform
