"""Face landmarks in JAX/Flax: models, losses, targets, training, evaluation and prediction."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsat_jax.inference.exported import load_exported
    from dsat_jax.inference.predictor import Predictor

__all__ = ["Predictor", "load_exported"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for when it is: those who want one module shall not wait for all."""
    if name == "Predictor":
        from dsat_jax.inference.predictor import Predictor

        return Predictor
    if name == "load_exported":
        from dsat_jax.inference.exported import load_exported

        return load_exported
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
