"""Weights files: safetensors whose metadata contain the configuration of the network.

    metadata "dsat_jax"      JSON: format, version, and the sections of the configuration listed in `SECTIONS`
    params/NAME              float16: half the size of float32, without an effect on the error of a trained network
    batch_stats/NAME         float32: variances may be too large or too small for float16

A weights file contains no executable code. `--mode=export --out=FILE.safetensors` writes such a file, and the shipped
networks are such files.
"""

import json
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy

from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, text_files
from dsat_jax.weights import state_dict, zoo
from dsat_jax.weights.names import by_name

if TYPE_CHECKING:
    from ml_collections import ConfigDict

SUFFIX = ".safetensors"
# Sections of the configuration that inference needs.
SECTIONS = ("name", "model", "data", "input", "evaluate")
_METADATA = "dsat_jax"
_FORMAT = "dsat_jax network"
_VERSION = 1
_OTHER_EXPORTS = {  # what the other files of --mode=export are for
    ".export": "an export, which dsat_jax.load_exported reads in Python",
    ".onnx": "an ONNX model, which runs without this package as docs/export.md shows",
}


def write(path: pathlib.Path, config: "ConfigDict", variables: dict[str, Any]) -> None:
    """Writes a network; equal networks give equal bytes.

    Args:
      path: file to write; an existing file is replaced once the new one is complete.
      config: configuration of the run. The paths of the datasets and of the backbone's initial weights are not written.
      variables: variables of the model, on the host.

    Raises:
      OSError: if the file cannot be written.
      UserError: if a parameter is too large for float16, or not a number.
    """
    from dsat_jax.config.mixture_entries import without_folders  # ml_collections, as in `read`

    described = config.copy_and_resolve_references()
    described.data.data_dir = None
    described.data.mixture = without_folders(described.data.mixture)
    if "backbone_weights" in described.model:
        described.model.backbone_weights = None
    values = {name: value for name, value in described.to_dict().items() if name in SECTIONS}
    metadata = json.dumps({"format": _FORMAT, "version": _VERSION, "config": values}, sort_keys=True)
    arrays = {name: _stored(name, np.asarray(array)) for name, array in by_name(variables).items()}
    # A single metadata entry, because the library writes several entries in random order.
    atomic_files.write_bytes(path, safetensors.numpy.save(arrays, metadata={_METADATA: metadata}))


def _type(name: str) -> type[np.floating]:
    """Returns the float type of an array in the file, by its name."""
    return np.float16 if name.startswith("params/") else np.float32


def _stored(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, _type(name))
    if not np.isfinite(stored).all():
        raise UserError(f"{name} reaches {np.abs(array).max():.3g}, more than a weights file can hold")
    return stored


def read(path: pathlib.Path) -> tuple["ConfigDict", dict[str, np.ndarray]]:
    """Reads a network.

    Returns:
      The configuration, with defaults in the sections that the file does not contain, and float32 arrays by name.

    Raises:
      OSError, UserError: as `read_arrays`, and if the configuration is invalid.
    """
    from dsat_jax.config import from_sections  # ml_collections, which reading the arrays alone does not need

    sections, arrays = read_arrays(path)
    return from_sections(sections, SECTIONS, str(path)), arrays


def read_arrays(path: pathlib.Path) -> tuple[object, dict[str, np.ndarray]]:
    """Reads the arrays of a network.

    Returns:
      The sections of the configuration as in the file, not checked, and float32 arrays by name.

    Raises:
      OSError: if the file cannot be read.
      UserError: if the file is not a weights file, is damaged, has another version, is larger than
        `state_dict.MOST_BYTES`, is a shipped file that was changed, or contains values that are not finite or have
        another type.
    """
    if path.suffix.lower() != SUFFIX:
        found = _OTHER_EXPORTS.get(path.suffix.lower(), "not a weights file")
        raise UserError(
            f"{path} is {found}: expected a name that ends in {SUFFIX}, as --mode=export --out=NAME{SUFFIX} writes it"
        )
    data, arrays, described = state_dict.read_safetensors(path)
    zoo.check(path, data)
    try:
        metadata = text_files.parse_json(described.get(_METADATA, "null").encode())
    except UserError as error:
        raise UserError(f"{path}: the metadata of the network are damaged: {error}") from error
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise UserError(f"{path} holds weights without their configuration, expected a file of --mode=export")
    if metadata.get("version") != _VERSION:
        raise UserError(f"{path} has version {metadata.get('version')!r}, this dsat_jax reads {_VERSION}")
    for name, array in arrays.items():
        if array.dtype != _type(name) or not np.isfinite(array).all():
            raise UserError(
                f"{path}: {name} holds {array.dtype}, expected {_type(name).__name__}, all finite"
            )
    return metadata.get("config"), {name: np.asarray(array, np.float32) for name, array in arrays.items()}
