"""Networks staged by JAX: exported runs, and the shipped networks. Neither `dsat_jax.models` nor Flax is imported.

An exported network is a StableHLO program. It cannot run other code, because programs with calls into other code are
refused. JAX guarantees to read programs that `jax.export` wrote up to 6 months before and 3 weeks after its own
release. A newer JAX needs a new export of the run.
"""

import contextlib
import functools
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.export
import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.inference import export_archive
from dsat_jax.inference.export_archive import Export, Settings
from dsat_jax.inference.landmarks import CropForward, Landmarks
from dsat_jax.weights import network_file, state_dict, zoo

# The only custom call that JAX writes into these programs: the check of a batch's shape.
CALLS = frozenset({"shape_assertion"})


# On CPUs, XLA's older code generator for fused operations takes two thirds of the time and of the memory to compile
# these programs, which run equally fast (JAX 0.12 no longer has it); and with the library YNNPACK for convolutions
# alone, not also for products of matrices, a face takes a seventh less time.
_CPU_OPTIONS = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION",
}
# Weights up to this size are constants of the compiled program: XLA folds the normalisations into them, and a call has
# one argument instead of hundreds. Larger ones would be copied for each size of the batch.
_CONSTANT_BYTES = 2**24


class UnreadableProgramError(UserError):
    """A program that this JAX cannot read, or not run on this platform."""


def load(path: pathlib.Path) -> tuple[CropForward, Settings]:
    """Loads an exported run.

    Args:
      path: file written by `--mode=export`.

    Returns:
      The forward pass for a predictor, and the settings of the network.

    Raises:
      OSError, UserError: see `exported.load_exported`.
    """
    export = export_archive.read(path)
    try:
        for program in (export.network, export.mirrored):
            _check(_deserialise(program, export), export)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return _forward(export, export.weights), export.settings


def load_shipped(name: str) -> tuple[CropForward, Settings]:
    """Loads a shipped network from its staged programs, without Flax and without tracing.

    Args:
      name: key of `zoo.PRETRAINED`.

    Returns:
      The forward pass for a predictor, and the settings of the network.

    Raises:
      OSError: if a file of the network is missing.
      UserError: if a file of the network is damaged.
      UnreadableProgramError: if this JAX cannot read the programs, or they are for other platforms.
    """
    export = export_archive.read(zoo.program(name))
    network = _deserialise(export.network, export)  # one of the two, because one JAX has written both
    _text(network, export)
    _check_platform(network)
    return _forward(export, network_file.read_arrays(zoo.weights(name))[1]), export.settings


def _forward(export: Export, weights: Mapping[str, np.ndarray]) -> CropForward:
    weights = jax.device_put(dict(weights))
    small = sum(array.nbytes for array in weights.values()) <= _CONSTANT_BYTES
    options = _compiler_options()

    @functools.cache  # at the first use, because most processes use only one of the two
    def compiled(mirror: bool) -> Callable[..., dict[str, jax.Array]]:
        network = _deserialise(export.mirrored if mirror else export.network, export)
        if small:
            return jax.jit(lambda crops: network.call(weights, crops), compiler_options=options)
        return functools.partial(jax.jit(network.call, compiler_options=options), weights)

    def forward(crops: np.ndarray, mirror: bool) -> Landmarks:
        results = compiled(mirror)(crops)
        return Landmarks(results["points"], results.get("confidence"), results.get("gates"))

    return forward


def _compiler_options() -> dict[str, bool | str]:
    """Returns those of `_CPU_OPTIONS` that this version of XLA has; none for other platforms."""
    if jax.default_backend() != "cpu":
        return {}
    known = {}
    for name, value in _CPU_OPTIONS.items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # the options are not part of JAX's interface
            jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
            known[name] = value
    return known


def _deserialise(program: bytes, export: Export) -> jax.export.Exported:
    """Returns a network of an export; refuses a network that this JAX cannot read."""
    try:
        return jax.export.deserialize(bytearray(program))
    except Exception as error:
        # FlatBuffers and MLIR do not validate lengths and types; damaged files raise exceptions of any class.
        raise _unreadable(export, error) from error


def _text(network: jax.export.Exported, export: Export) -> str:
    """Returns the operations of a network as text; refuses a network whose operations this JAX cannot read."""
    try:
        return network.mlir_module()
    except Exception as error:  # of any class, see `_deserialise`
        raise _unreadable(export, error) from error


def _unreadable(export: Export, error: Exception) -> UnreadableProgramError:
    return UnreadableProgramError(
        f"JAX {jax.__version__} cannot read the network, which JAX {export.settings.jax_version} wrote: "
        f"{state_dict.cause(error)}"
    )


def _check(network: jax.export.Exported, export: Export) -> None:
    """Refuses a network that calls other code, does not run here, or belongs to other weights."""
    called = set(re.findall(r"custom_call(?: @(\w+)\()?", _text(network, export)))
    if not called <= CALLS:
        target = min(called - CALLS) or "an unnamed function"
        raise UserError(f"the network calls {target}, expected no custom call but {', '.join(CALLS)}")
    _check_platform(network)
    _check_fit(network, export)


def _check_platform(network: jax.export.Exported) -> None:
    platform = jax.export.default_export_platform()
    if platform not in network.platforms:
        raise UnreadableProgramError(
            f"the network is for {', '.join(network.platforms)}, this process runs on {platform}"
        )


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
