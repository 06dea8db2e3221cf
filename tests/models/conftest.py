"""The network of each recording of the original: its model, its weights and its recorded runs."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_networks import made_dsat

from dsat_jax.models.dsat import DSAT
from dsat_jax.weights.torch_import import load_torch_dsat


def to_nhwc(array: np.ndarray) -> jax.Array:
    """[B, C, H, W] -> [B, H, W, C]."""
    return jnp.asarray(array.transpose(0, 2, 3, 1))


class Golden:
    """The recorded tensors by name; those of four axes are images and come as NHWC."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._arrays = arrays

    def __getitem__(self, name: str) -> jax.Array:
        array = self._arrays[name]
        return to_nhwc(array) if array.ndim == 4 else jnp.asarray(array)

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin with `prefix`, by the rest of their names."""
        return {k.removeprefix(prefix): v for k, v in self._arrays.items() if k.startswith(prefix)}


@pytest.fixture(scope="session")
def golden(recorded, recording: pathlib.Path) -> Golden:
    arrays = recorded("tensors.npz", recording)
    with np.load(recording / "weights.npz") as weights:
        parameters = [name for name in weights.files if "running_" not in name]
    for run in ("train_soft", "train_hard"):
        # The small recording has the gradient norms of all parameters in one array.
        norms = arrays.pop(f"{run}/grad_norms", ())
        arrays |= {f"{run}/grad_norm/{name}": norm for name, norm in zip(parameters, norms, strict=False)}
    return Golden(arrays)


@pytest.fixture(scope="session")
def golden_model(golden: Golden) -> DSAT:
    return made_dsat(
        num_points=golden["eval/heatmaps"].shape[-1],
        num_boundaries=0,
        width=golden["eval/gate"].shape[-1],
        stacks=2,
        gate="released",
        embedding_dropout=0.0,
        attention_dropout=0.0,
    )


@pytest.fixture(scope="session")
def golden_variables(golden: Golden, golden_model: DSAT, recording: pathlib.Path) -> dict:
    template = jax.eval_shape(lambda: golden_model.init(jax.random.key(0), golden["x"], train=False))
    return load_torch_dsat(recording / "weights.npz", template)
