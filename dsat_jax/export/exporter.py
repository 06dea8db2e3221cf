"""Export: a trained run as one file that predicts without the code of its network, on CPUs, GPUs and TPUs.

`exported.load_exported` reads the file; `export_files` says what is in it.
"""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp

from dsat_jax import models, schemes
from dsat_jax.export import onnx_export
from dsat_jax.export.network import as_network
from dsat_jax.files import atomic_files
from dsat_jax.inference import export_archive, trained_network
from dsat_jax.inference.export_archive import Export, Settings
from dsat_jax.inference.forward import Forward, make_forward
from dsat_jax.weights import network_file
from dsat_jax.weights.names import by_name

PLATFORMS = ("cpu", "cuda", "tpu")


def export_run(workdir: pathlib.Path, out: pathlib.Path) -> None:
    """The story of `--mode=export`: the best checkpoint of a run, its network and its crop as one file.

    The network is staged by `jax.export` for any number of faces and for all of `PLATFORMS`, whichever this process
    runs on. It can be read by the JAX that wrote it, by JAX's promise for 6 months of newer releases, and by those
    of the 3 weeks before. A file whose name ends in .onnx is an ONNX model instead, see `onnx_export.convert`; one
    whose name ends in .safetensors holds the weights alone, see `network_file`.

    Args:
      workdir: the run's folder, or a file of weights.
      out: the file to write; one of that name is replaced.

    Raises:
      OSError: if the folder holds no run or no checkpoint, or the file cannot be written.
      ValueError: if the run or its checkpoints are damaged, or the converter to ONNX is not installed.
    """
    export_archive.check_target(out)
    suffix = out.suffix.lower()
    if suffix == ".onnx":
        onnx_export.check_installed()
    network = trained_network.load(workdir)
    config, variables = network.config, jax.device_get(network.variables)
    scheme, size = schemes.find(config.data.scheme), config.input.size
    settings = Settings(size, config.input.enlarge, scheme, jax.__version__)
    if suffix == network_file.SUFFIX:
        network_file.write(out, config, variables)
    elif suffix == ".onnx":
        config.model.dtype = "float32"  # in which the runtimes compute
        forward = make_forward(models.build_for(config), config, scheme)
        atomic_files.write_bytes(out, onnx_export.convert(forward, variables, settings))
    else:
        staged = stage(make_forward(network.model, config, scheme), variables, size)
        export_archive.write(out, Export(settings, staged, by_name(variables)))
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {scheme.num_points} points on crops of {size} px")


def stage(forward: Forward, variables: Mapping[str, Any], size: int) -> bytes:
    """A forward pass as `jax.export` serialises it: `network(weights, images)`, see `as_network`.

    Args:
      forward: from `make_forward`.
      variables: of the model, or their shapes.
      size: side of the images, uint8 [any batch, size, size, 3].
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
    """Keeps out of a program where each part of its source code lies on this machine."""
    option = "jax_traceback_in_locations_limit"
    usual = getattr(jax.config, option)
    jax.config.update(option, 0)
    try:
        yield
    finally:
        jax.config.update(option, usual)
