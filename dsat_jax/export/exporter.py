"""Export of a trained run to one file that predicts without the code of its network, on CPUs, GPUs and TPUs.

`inference.exported.load_exported` loads the file; `inference.export_archive` defines its format.
"""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp

from dsat_jax import models, schemes
from dsat_jax.errors import UserError
from dsat_jax.export import onnx_export, onnx_metadata
from dsat_jax.export.network import as_network
from dsat_jax.files import atomic_files, locations
from dsat_jax.inference import export_archive, trained_network
from dsat_jax.inference.export_archive import Export, Settings
from dsat_jax.inference.forward import Forward, make_forward
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.weights import network_file
from dsat_jax.weights.names import by_name

PLATFORMS = ("cpu", "cuda", "tpu")
SUFFIXES = (".export", ".onnx", network_file.SUFFIX)


def export_run(workdir: pathlib.Path, out: pathlib.Path, scheme: str | None = None) -> None:
    """Runs `--mode=export`: writes the best checkpoint of a run, with its network and crop settings, to one file.

    `jax.export` stages the network for any batch size and for all of `PLATFORMS`, independent of the platform of this
    process. JAX guarantees that releases up to 6 months newer and 3 weeks older than this one can read the file. The
    suffix .export selects this format, .onnx an ONNX model (`onnx_export.convert`), and .safetensors a weights file
    (`network_file`).

    Args:
      workdir: run folder or weights file.
      out: file to write, with a suffix of `SUFFIXES`; an existing file is replaced.
      scheme: name of a scheme that the network predicts; None for its first.

    Raises:
      OSError: if the folder contains no run or no checkpoint, or the file cannot be written.
      UserError: if the suffix is unknown, the run or its checkpoints are damaged, or the converter to ONNX is not
        installed.
    """
    export_archive.check_target(out)
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{out} ends in {suffix or 'no suffix'}, expected one of {', '.join(SUFFIXES)}")
    if suffix == ".onnx":
        onnx_export.check_installed()
    network = trained_network.load(workdir, scheme)
    config, variables = network.config, jax.device_get(network.variables)
    scheme, size = schemes.find(config.data.scheme), config.input.size
    settings = Settings(size, config.input.enlarge, scheme, jax.__version__)
    if suffix == network_file.SUFFIX:
        network_file.write(out, config, variables)
    elif suffix == ".onnx":
        config.model.dtype = "float32"  # ONNX runtimes compute in float32
        forward = make_forward(models.build_for(config), config, scheme, config.evaluate.mirror)
        metadata = onnx_metadata.of_network(settings, config, workdir)
        atomic_files.write_bytes(out, onnx_export.convert(forward, variables, settings, metadata))
    else:
        export_archive.write(out, staged_export(network))
    print(f"{out}: {locations.size(out) / 1e6:.1f} MB, {scheme.num_points} points on crops of {size} px")


def staged_export(network: TrainedNetwork) -> Export:
    """Returns a network with its forward passes staged by JAX."""
    config, variables = network.config, jax.device_get(network.variables)
    scheme, size = schemes.find(config.data.scheme), config.input.size
    plain, mirrored = (
        stage(make_forward(network.model, config, scheme, mirror), variables, size)
        for mirror in (False, True)
    )
    settings = Settings(size, config.input.enlarge, scheme, jax.__version__)
    return Export(settings, plain, mirrored, by_name(variables))


def stage(forward: Forward, variables: Mapping[str, Any], size: int) -> bytes:
    """Returns a forward pass serialised by `jax.export`, with the signature of `as_network`.

    Args:
      forward: forward pass, made by `make_forward`.
      variables: variables of the model, or their shapes.
      size: side in pixels of the images, uint8 [batch, size, size, 3] for any batch size.
    """
    (batch,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8)
    weights = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in by_name(variables).items()
    }
    with _no_source_lines():
        staged = jax.export.export(jax.jit(as_network(forward, variables)), platforms=PLATFORMS)(
            weights, images
        )
    return bytes(staged.serialize())


@contextlib.contextmanager
def _no_source_lines() -> Iterator[None]:
    """Keeps the paths and line numbers of this machine's source code out of the exported program."""
    option = "jax_traceback_in_locations_limit"
    previous = getattr(jax.config, option)
    jax.config.update(option, 0)
    try:
        yield
    finally:
        jax.config.update(option, previous)
