"""Face landmarks in JAX/Flax: the networks DSAT and LOTR, their training, evaluation, prediction and export.

In: photographs, or the records of a dataset. Out: landmarks (`Predictor`, `load_exported`), or trained networks. The rooms
below import downwards only; each describes itself in its docstring.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsat_jax.inference.exported import load_exported
    from dsat_jax.inference.predictor import Predictor

__all__ = ["Predictor", "__version__", "load_exported"]
__version__ = "0.2.0"  # pyproject.toml reads it here


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that importing one module does not import all others."""
    if name == "Predictor":
        from dsat_jax.inference.predictor import Predictor

        return Predictor
    if name == "load_exported":
        from dsat_jax.inference.exported import load_exported

        return load_exported
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
