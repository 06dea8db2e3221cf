"""Configurations of runs: fields and defaults, checks, saved files, and settings that `configs/` share.

Input: a file of `configs/` with overrides of the command line, or a run folder. Output: a checked `ConfigDict`.
"""

from dsat_jax.config.choices import choose
from dsat_jax.config.defaults import MODEL_DEFAULTS, default, default_dsat, default_lotr
from dsat_jax.config.saved import (
    CHANGEABLE_FIELDS,
    CONFIG_FILE,
    check_config,
    differences,
    field_names,
    flatten,
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
    "flatten",
    "from_sections",
    "load_config",
    "save_config",
]
