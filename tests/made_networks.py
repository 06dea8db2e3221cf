"""Networks for the tests: the defaults of `config.model` with some changes."""

from dsat_jax import models
from dsat_jax.config import default_dsat, default_lotr
from dsat_jax.models.dsat import DSAT
from dsat_jax.models.lotr import LOTR


def made_dsat(num_points: int, num_boundaries: int, **changes: object) -> DSAT:
    """Returns a DSAT with the defaults of `config.model` and some changes."""
    config = default_dsat()
    config.update(changes)
    return models.build(config, num_points, num_boundaries)


def made_lotr(num_points: int, **changes: object) -> LOTR:
    """Returns a LOTR with the defaults of `config.model` and some changes."""
    config = default_lotr()
    config.update(changes)
    return models.build(config, num_points, num_boundaries=0)
