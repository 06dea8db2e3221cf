"""Configurations: every field of a run with its default, their checks, and what the files in `configs/` share.

In: a file of `configs/` with the overrides of the command line, or a saved run. Out: a checked `ConfigDict`.
"""

from dsat_jax.config.choices import choose
from dsat_jax.config.defaults import MODEL_DEFAULTS, default, default_dsat, default_lotr
from dsat_jax.config.saved import (
    CHANGEABLE_FIELDS,
    CONFIG_FILE,
    check_config,
    differences,
    field_names,
    from_sections,
    load_config,
    save_config,
)

__all__ = [
    "CHANGEABLE_FIELDS",
    "CONFIG_FILE",
    "MODEL_DEFAULTS",
    "check_config",
    "choose",
    "default",
    "default_dsat",
    "default_lotr",
    "differences",
    "field_names",
    "from_sections",
    "load_config",
    "save_config",
]
