"""Face landmarks in JAX/Flax: the networks DSAT and LOTR, their training, evaluation, prediction and export.

Input: photographs, or the records of a dataset. Output: landmarks (`Predictor`, `load_exported`), or trained networks.
The docstring of each subpackage describes it; docs/architecture.md gives the order of their imports.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsat_jax.inference.alignment import align
    from dsat_jax.inference.detections import Detections
    from dsat_jax.inference.exported import load_exported
    from dsat_jax.inference.predictor import Predictor

__all__ = ["Detections", "Predictor", "__version__", "align", "load_exported"]
__version__ = "0.2.0"  # pyproject.toml reads it here
_HOMES = {
    "Detections": "dsat_jax.inference.detections",
    "Predictor": "dsat_jax.inference.predictor",
    "align": "dsat_jax.inference.alignment",
    "load_exported": "dsat_jax.inference.exported",
}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that importing one module does not import all others."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
