"""An exported run as a predictor, without the code of the networks: neither `dsat_jax.models` nor Flax is imported.

A network is a program, of StableHLO, and is run: it computes and nothing more, as calls into other code are refused.
JAX reads what `jax.export` wrote up to 6 months before its own release or 3 weeks after it, and promises no more; an
export that has grown too old is made anew from the folder of its run.
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
from dsat_jax.inference.export_archive import Export
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import FindFaces, Predictor
from dsat_jax.weights import state_dict

# What JAX calls by name instead of writing it out: the check of a batch's shape.
CALLS = frozenset({"shape_assertion"})


def load_exported(path: str | os.PathLike, find_faces: FindFaces | None = None) -> Predictor:
    """The predictor of an exported run; it compiles once, for the batch that it fills up.

    Args:
      path: a file of `--mode=export`.
      find_faces: from a picture, uint8 [height, width, 3] RGB, to boxes [faces, 4]; None for the bundled cascade.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: if it is no export, damaged, too old or too new for this JAX, or not for this platform.
    """
    path = pathlib.Path(path)
    export = export_archive.read(path)
    try:
        network = _deserialise(export)
        _check_fit(network, export)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    weights = jax.device_put(dict(export.weights))
    call = jax.jit(network.call)

    def forward(crops: np.ndarray) -> Landmarks:
        found = call(weights, crops)
        return Landmarks(found["points"], found.get("confidence"), found.get("gates"))

    settings = export.settings
    return Predictor(forward, settings.scheme, settings.size, settings.enlarge, find_faces=find_faces)


def _deserialise(export: Export) -> jax.export.Exported:
    """The network of an export, if this JAX can read and run it."""
    try:
        network = jax.export.deserialize(bytearray(export.network))
        program = network.mlir_module()
    except Exception as error:
        # flatbuffers and MLIR take any bytes for lengths and types, and fail in every way there is
        raise UserError(
            f"JAX {jax.__version__} cannot read the network, which JAX {export.settings.jax_version} wrote: "
            f"{state_dict.cause(error)}"
        ) from error
    called = set(re.findall(r"custom_call(?: @(\w+)\()?", program))
    if not called <= CALLS:
        what = min(called - CALLS) or "something without a name"
        raise UserError(f"the network calls {what}, which no export of this project does")
    platform = jax.export.default_export_platform()
    if platform not in network.platforms:
        raise UserError(f"the network is for {', '.join(network.platforms)}, this process runs on {platform}")
    return network


def _check_fit(network: jax.export.Exported, export: Export) -> None:
    """Compares what the network takes and returns with the settings and the weights."""
    expected = {name: f"{array.dtype}{list(array.shape)}" for name, array in export.weights.items()}
    wanted, images, found = _signature(network)
    names = [name for name in sorted({*wanted, *expected}) if wanted.get(name) != expected.get(name)]
    if names:
        name, more = names[0], f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UserError(
            f"the weights are of another network: {name} is {expected.get(name, 'missing')} there, the network takes "
            f"{wanted.get(name, 'nothing of that name')}{more}"
        )
    size, points = export.settings.size, export.settings.scheme.num_points
    for what, form, right in (
        ("takes images", images, f"uint8[{size}, {size}, 3]"),
        ("returns points", found, f"float32[{points}, 2]"),
    ):
        if form != right:
            raise UserError(f"the network {what} {form} a face, its settings say {right}")


def _signature(network: jax.export.Exported) -> tuple[dict[str, str], str | None, str | None]:
    """Types and shapes of a network's weights by name, and, for one face, of its images and points."""
    (arguments, _) = jax.tree.unflatten(network.in_tree, network.in_avals)
    results = jax.tree.unflatten(network.out_tree, network.out_avals)

    def whole(form: Any) -> str:
        return f"{form.dtype}{list(form.shape)}"

    def of_one(form: Any) -> str:
        return f"{form.dtype}{list(form.shape[1:])}"

    try:
        weights, images = arguments
        return (
            {name: whole(form) for name, form in weights.items()},
            of_one(images),
            of_one(results["points"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError("the network takes and returns other things than one of this project") from error
