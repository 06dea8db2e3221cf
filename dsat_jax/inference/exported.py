"""Predictors of exported runs. Neither `dsat_jax.models` nor Flax is imported.

An exported network is a StableHLO program. It cannot run other code, because programs with calls into other code are
refused. JAX guarantees to read programs that `jax.export` wrote up to 6 months before and 3 weeks after its own
release. A newer JAX needs a new export of the run.
"""

import os
import pathlib
import re
from typing import Any

import jax
import jax.export
import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.inference import export_archive
from dsat_jax.inference.detections import FindFaces
from dsat_jax.inference.export_archive import Export
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import Predictor
from dsat_jax.weights import state_dict

# The only custom call that JAX writes into these programs: the check of a batch's shape.
CALLS = frozenset({"shape_assertion"})


def load_exported(path: str | os.PathLike, find_faces: FindFaces | None = None) -> Predictor:
    """Returns the predictor of an exported run.

    Args:
      path: file written by `--mode=export`.
      find_faces: function from an image, uint8 [height, width, 3] RGB, to `Detections`; None selects MTCNN.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if the file is not an export, is damaged, is too old or too new for this JAX, or does not run
        on this platform.
    """
    path = pathlib.Path(path)
    export = export_archive.read(path)
    try:
        networks = {
            mirror: _deserialise(program, export)
            for mirror, program in ((False, export.network), (True, export.mirrored))
        }
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    weights = jax.device_put(dict(export.weights))
    calls = {mirror: jax.jit(network.call) for mirror, network in networks.items()}

    def forward(crops: np.ndarray, mirror: bool) -> Landmarks:
        results = calls[mirror](weights, crops)
        return Landmarks(results["points"], results.get("confidence"), results.get("gates"))

    settings = export.settings
    return Predictor(forward, settings.scheme, settings.size, settings.enlarge, find_faces)


def _deserialise(program: bytes, export: Export) -> jax.export.Exported:
    """Returns a network of an export; refuses a network that this JAX cannot read or run, or of other weights."""
    try:
        network = jax.export.deserialize(bytearray(program))
        text = network.mlir_module()
    except Exception as error:
        # FlatBuffers and MLIR do not validate lengths and types; damaged files raise exceptions of any class.
        raise UserError(
            f"JAX {jax.__version__} cannot read the network, which JAX {export.settings.jax_version} wrote: "
            f"{state_dict.cause(error)}"
        ) from error
    called = set(re.findall(r"custom_call(?: @(\w+)\()?", text))
    if not called <= CALLS:
        target = min(called - CALLS) or "an unnamed function"
        raise UserError(f"the network calls {target}, expected no custom call but {', '.join(CALLS)}")
    platform = jax.export.default_export_platform()
    if platform not in network.platforms:
        raise UserError(f"the network is for {', '.join(network.platforms)}, this process runs on {platform}")
    _check_fit(network, export)
    return network


def _check_fit(network: jax.export.Exported, export: Export) -> None:
    """Compares arguments and results of the network with the settings and the weights of the export."""
    stored = {name: f"{array.dtype}{list(array.shape)}" for name, array in export.weights.items()}
    expected, images, points = _signature(network)
    names = [name for name in sorted({*expected, *stored}) if expected.get(name) != stored.get(name)]
    if names:
        name, more = names[0], f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UserError(
            f"the weights belong to another network: {name} is {stored.get(name, 'missing')}, the network expects "
            f"{expected.get(name, 'no array of this name')}{more}"
        )
    size, num_points = export.settings.size, export.settings.scheme.num_points
    for label, form, described in (
        ("takes images", images, f"uint8[{size}, {size}, 3]"),
        ("returns points", points, f"float32[{num_points}, 2]"),
    ):
        if form != described:
            raise UserError(f"the network {label} {form} per face, expected {described} by its settings")


def _signature(network: jax.export.Exported) -> tuple[dict[str, str], str | None, str | None]:
    """Returns type and shape of a network's weights by name, of its image and of its points for one face."""

    def whole(form: Any) -> str:
        return f"{form.dtype}{list(form.shape)}"

    def of_one(form: Any) -> str:
        return f"{form.dtype}{list(form.shape[1:])}"

    try:
        (arguments, _) = jax.tree.unflatten(network.in_tree, network.in_avals)
        results = jax.tree.unflatten(network.out_tree, network.out_avals)
        weights, images = arguments
        return (
            {name: whole(form) for name, form in weights.items()},
            of_one(images),
            of_one(results["points"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError("the network has another signature than an export of this project") from error
