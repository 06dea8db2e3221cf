"""The file of an exported run: a ZIP archive, not compressed, of settings, network and weights.

    settings.json            format, version, crop, landmark scheme, the JAX that wrote it
    network.jax              the forward pass as `jax.export` serialises it, without the weights
    weights/NAME.npy         each array that it takes, by its name in the model

Nothing in it is a pickle, and the archive has a checksum of each member. Beside the network the weights stay plain
arrays: as constants of a program, the 724 MB of a full DSAT would be parsed, copied and optimised with it.
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

from dsat_jax import schemes
from dsat_jax.config.check import RANGES
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, text_files
from dsat_jax.schemes import Scheme
from dsat_jax.weights import state_dict

FORMAT = "dsat_jax export"
VERSION = 1
_SETTINGS, _NETWORK, _WEIGHTS = "settings.json", "network.jax", "weights/"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an export says of its network.

    Attributes:
      size: side of the network's square input in pixels.
      enlarge: margin of the crop around a face box on each side, as a share of the box.
      scheme: of the landmarks.
      jax_version: of the JAX that wrote it.
    """

    size: int
    enlarge: float
    scheme: Scheme
    jax_version: str

    def described(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        scheme = schemes.as_text(self.scheme)
        return {"size": self.size, "enlarge": self.enlarge, "scheme": scheme, "jax": self.jax_version}


@dataclasses.dataclass(frozen=True)
class Export:
    """What an export holds.

    Attributes:
      settings: what it says of the network.
      network: a serialised `jax.export.Exported`.
      weights: the arrays that it takes, by name.
    """

    settings: Settings
    network: bytes
    weights: Mapping[str, np.ndarray]


def check_target(path: pathlib.Path) -> None:
    """Refuses a path that cannot become a file, before anything is computed.

    Raises:
      OSError: naming what stands in the way.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected the name of the file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} for the file {path.name}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"the folder {path.parent} cannot be written to")


def write(path: pathlib.Path, export: Export) -> None:
    """Writes an export; the same one gives the same bytes. A file of that name is replaced once the new one is whole.

    Raises:
      OSError: if it cannot be written.
    """
    settings = {"format": FORMAT, "version": VERSION, **export.settings.described()}
    with atomic_files.replacing(path) as written, zipfile.ZipFile(written, "w") as archive:
        # Names alone: with a date the same export would give other bytes each time.
        archive.writestr(zipfile.ZipInfo(_SETTINGS), json.dumps(settings, indent=2) + "\n")
        archive.writestr(zipfile.ZipInfo(_NETWORK), export.network)
        for name, array in export.weights.items():
            with archive.open(zipfile.ZipInfo(f"{_WEIGHTS}{name}.npy"), "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def read(path: pathlib.Path) -> Export:
    """Reads an export. Nothing in it is run, and what it claims is checked first.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: if it is no export, damaged, of another version, or larger than any network here.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no export {path}")
    if path.suffix.lower() == ".onnx":
        raise UserError(
            f"{path} is an ONNX model, which ONNX Runtime runs; expected an export with another suffix"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            state_dict.check_archive(archive)
            return _read(archive)
    except OSError:
        raise
    except Exception as error:
        # zipfile and NumPy take any bytes for lengths and types, and fail in every way there is
        raise UserError(
            f"{path} is damaged, or no file of --mode=export: {state_dict.cause(error)}"
        ) from error


def _read(archive: zipfile.ZipFile) -> Export:
    names = archive.namelist()
    for name in (_SETTINGS, _NETWORK):
        if name not in names:
            raise UserError(f"it holds no {name}")
    settings = text_files.parse_json(archive.read(_SETTINGS))
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise UserError(f"{_SETTINGS} does not name the format {FORMAT!r}")
    if settings.get("version") != VERSION:
        raise UserError(
            f"it is of version {settings.get('version')!r}, this dsat_jax reads {VERSION}: export anew"
        )
    weights = [name for name in names if name.startswith(_WEIGHTS)]
    return Export(
        Settings(
            size=_number(settings, "size", int, 1, RANGES["input.size"][1]),
            enlarge=float(_number(settings, "enlarge", (int, float), *RANGES["input.enlarge"])),
            scheme=schemes.find(_text(settings, "scheme")),
            jax_version=_text(settings, "jax"),
        ),
        network=archive.read(_NETWORK),
        weights={
            name.removeprefix(_WEIGHTS).removesuffix(".npy"): state_dict.read_npy(archive, name)
            for name in weights
        },
    )


def _number(
    settings: Mapping[str, object], name: str, kind: type | tuple[type, ...], low: float, high: float
) -> float:
    value = settings.get(name)
    right = (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )
    if not right:
        raise UserError(f"{_SETTINGS}: {name} is {value!r}, expected a number from {low} to {high}")
    return value


def _text(settings: Mapping[str, object], name: str) -> str:
    value = settings.get(name)
    if not isinstance(value, str) or not value.isprintable():
        raise UserError(f"{_SETTINGS}: {name} is {value!r}, expected some text")
    return value
