"""The file of a network's weights: safetensors, with the configuration that they need in its metadata.

    metadata "dsat_jax"      JSON: format, version, and the sections of the configuration that `SECTIONS` names
    params/NAME              float16: half the size, and for a trained network of no consequence
    batch_stats/NAME         float32: variances may be too large or too small for float16

Nothing in it can be run. Such a file is what `--mode=export --out=FILE.safetensors` writes, and what is shipped.
"""

import json
import pathlib
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from ml_collections import ConfigDict

from dsat_jax.config import from_sections
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, text_files
from dsat_jax.weights import state_dict
from dsat_jax.weights.names import by_name

SUFFIX = ".safetensors"
SECTIONS = ("name", "model", "data", "input", "evaluate")  # of the configuration: what using a network needs
_METADATA = "dsat_jax"
_FORMAT = "dsat_jax network"
_VERSION = 1


def write(path: pathlib.Path, config: ConfigDict, variables: dict[str, Any]) -> None:
    """Writes a network; the same one gives the same bytes.

    Args:
      path: of the file; one of that name is replaced once the new one is whole.
      config: of its run. Where the data and the backbone's first weights lay on this machine is left out.
      variables: of the model, on the host.

    Raises:
      OSError: if it cannot be written.
      ValueError: if a parameter is too large for float16, or not a number.
    """
    described = config.copy_and_resolve_references()
    described.data.data_dir = None
    if "backbone_weights" in described.model:
        described.model.backbone_weights = None
    values = {name: value for name, value in described.to_dict().items() if name in SECTIONS}
    said = json.dumps({"format": _FORMAT, "version": _VERSION, "config": values}, sort_keys=True)
    arrays = {name: _stored(name, np.asarray(array)) for name, array in by_name(variables).items()}
    # One entry of metadata: the library writes several in any order.
    atomic_files.write_bytes(path, safetensors.numpy.save(arrays, metadata={_METADATA: said}))


def _type(name: str) -> type[np.floating]:
    """Of an array in the file."""
    return np.float16 if name.startswith("params/") else np.float32


def _stored(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, _type(name))
    if not np.isfinite(stored).all():
        raise UserError(f"{name} reaches {np.abs(array).max():.3g}, more than a file of weights can hold")
    return stored


def read(path: pathlib.Path) -> tuple[ConfigDict, dict[str, np.ndarray]]:
    """Reads a network.

    Returns:
      The configuration, whose other sections have their defaults, and the arrays by name, float32.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no such file, damaged, of another version, larger than any network here, or holds anything
        but finite numbers of the types above.
    """
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"{path} is no file of weights: expected a name that ends in {SUFFIX}")
    arrays = state_dict.read_state_dict(path)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            said = text_files.parse_json((file.metadata() or {}).get(_METADATA, "null").encode())
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is not in the safetensors format: {state_dict.cause(error)}") from error
    except UserError as error:
        raise UserError(f"{path}: what it says of its network is damaged: {error}") from error
    if not isinstance(said, dict) or said.get("format") != _FORMAT:
        raise UserError(f"{path} holds weights without their configuration, expected a file of --mode=export")
    if said.get("version") != _VERSION:
        raise UserError(f"{path} is of version {said.get('version')!r}, this dsat_jax reads {_VERSION}")
    for name, array in arrays.items():
        if array.dtype != _type(name) or not np.isfinite(array).all():
            raise UserError(
                f"{path}: {name} holds {array.dtype}, expected {_type(name).__name__}, all finite"
            )
    config = from_sections(said.get("config"), SECTIONS, str(path))
    return config, {name: np.asarray(array, np.float32) for name, array in arrays.items()}
