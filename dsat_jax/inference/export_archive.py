"""The file format of an exported run: an uncompressed ZIP archive of settings, network and weights.

    settings.json            format, version, crop, landmark scheme, version of JAX
    network.jax              forward pass serialised by `jax.export`, without the weights
    mirrored.jax             forward pass that averages with the mirrored crops
    weights/NAME.npy         array that the network takes, by its name in the model

The archive contains a checksum of each member, and no pickles. The weights are not constants of the program, because
JAX would parse, copy and optimise them, 724 MB for a full DSAT.
"""

import dataclasses
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from dsat_jax import limits, schemes
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, locations, text_files
from dsat_jax.schemes import Scheme
from dsat_jax.weights import state_dict

FORMAT = "dsat_jax export"
VERSION = 2
_SETTINGS, _NETWORK, _MIRRORED, _WEIGHTS = "settings.json", "network.jax", "mirrored.jax", "weights/"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of an exported network.

    Attributes:
      size: side of the network's square input in pixels.
      enlarge: margin of the crop around a face box on each side, as a share of the box.
      scheme: scheme of the landmarks.
      jax_version: version of the JAX that wrote the export.
    """

    size: int
    enlarge: float
    scheme: Scheme
    jax_version: str

    def described(self) -> dict[str, Any]:
        """Returns the settings as values for JSON."""
        scheme = schemes.as_text(self.scheme)
        return {"size": self.size, "enlarge": self.enlarge, "scheme": scheme, "jax": self.jax_version}


@dataclasses.dataclass(frozen=True)
class Export:
    """Contents of an export.

    Attributes:
      settings: settings of the network.
      network: serialised `jax.export.Exported`.
      mirrored: the same, averaged with the mirrored crops.
      weights: arrays that the network takes, by name.
    """

    settings: Settings
    network: bytes
    mirrored: bytes
    weights: Mapping[str, np.ndarray]


def check_target(path: pathlib.Path) -> None:
    """Refuses a path that cannot be written as a file, before anything is computed.

    Raises:
      OSError: if the path is a folder, or its folder does not exist or is not writable.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected the name of a file to write")
    if locations.in_bucket(path):  # whose folders need not exist
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"the folder {path.parent} does not exist, expected one for the file {path.name}"
        )
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"the folder {path.parent} is not writable, expected one for the file {path.name}"
        )


def write(path: pathlib.Path, export: Export) -> None:
    """Writes an export; equal exports give equal bytes. An existing file is replaced once the new one is complete.

    Raises:
      OSError: if the file cannot be written.
    """
    settings = {"format": FORMAT, "version": VERSION, **export.settings.described()}
    with atomic_files.replacing(path) as written, zipfile.ZipFile(written, "w") as archive:
        # `ZipInfo` has a fixed date, so that equal exports give equal bytes.
        archive.writestr(zipfile.ZipInfo(_SETTINGS), json.dumps(settings, indent=2) + "\n")
        archive.writestr(zipfile.ZipInfo(_NETWORK), export.network)
        archive.writestr(zipfile.ZipInfo(_MIRRORED), export.mirrored)
        for name, array in export.weights.items():
            with archive.open(zipfile.ZipInfo(f"{_WEIGHTS}{name}.npy"), "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def read(path: pathlib.Path) -> Export:
    """Reads an export without executing it; sizes are checked first.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if the file is not an export, is damaged, has another version, or is larger than
        `state_dict.MOST_BYTES`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file, expected an export")
    if path.suffix.lower() == ".onnx":
        raise UserError(
            f"{path} is an ONNX model, to be run by an ONNX runtime; expected an export with another suffix"
        )
    with locations.local_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                state_dict.check_archive(archive)
                return _read(archive)
        except OSError:
            raise
        except Exception as error:
            # `zipfile` and NumPy do not validate lengths and types; damaged files raise exceptions of any class.
            raise UserError(
                f"{path} is damaged, or not a file of --mode=export: {state_dict.cause(error)}"
            ) from error


def _read(archive: zipfile.ZipFile) -> Export:
    names = archive.namelist()
    if _SETTINGS not in names:
        raise UserError(f"it contains no {_SETTINGS}")
    settings = text_files.parse_json(archive.read(_SETTINGS))
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise UserError(f"{_SETTINGS} does not state the format {FORMAT!r}")
    if settings.get("version") != VERSION:
        raise UserError(
            f"it has version {settings.get('version')!r}, this dsat_jax reads {VERSION}: export the run again"
        )
    for name in (_NETWORK, _MIRRORED):
        if name not in names:
            raise UserError(f"it contains no {name}")
    weights = [name for name in names if name.startswith(_WEIGHTS)]
    return Export(
        Settings(
            size=_number(settings, "size", int, 1, limits.INPUT_SIZE[1]),
            enlarge=float(_number(settings, "enlarge", (int, float), *limits.ENLARGE)),
            scheme=schemes.find(_text(settings, "scheme")),
            jax_version=_text(settings, "jax"),
        ),
        network=archive.read(_NETWORK),
        mirrored=archive.read(_MIRRORED),
        weights={
            name.removeprefix(_WEIGHTS).removesuffix(".npy"): state_dict.read_npy(archive, name)
            for name in weights
        },
    )


def _number(
    settings: Mapping[str, object], name: str, kind: type | tuple[type, ...], low: float, high: float
) -> float:
    value = settings.get(name)
    is_valid = (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )
    if not is_valid:
        raise UserError(f"{_SETTINGS}: {name} is {value!r}, expected a number from {low} to {high}")
    return value


def _text(settings: Mapping[str, object], name: str) -> str:
    value = settings.get(name)
    if not isinstance(value, str) or not value.isprintable():
        raise UserError(f"{_SETTINGS}: {name} is {value!r}, expected some text")
    return value
