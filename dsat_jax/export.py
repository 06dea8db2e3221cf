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

from dsat_jax import (
    config as run_config,
    evaluate,
    export_files,
    mesh as meshes,
    models,
    onnx_export,
    schemes,
)
from dsat_jax.export_files import Export, Settings
from dsat_jax.forward import Forward, make_forward
from dsat_jax.network import as_network, by_name

PLATFORMS = ("cpu", "cuda", "tpu")


def export_run(workdir: pathlib.Path, out: pathlib.Path) -> None:
    """The story of `--mode=export`: the best checkpoint of a run, its network and its crop as one file.

    The network is staged by `jax.export` for any number of faces and for all of `PLATFORMS`, whichever this process
    runs on. It can be read by the JAX that wrote it, by JAX's promise for 6 months of newer releases, and by those
    of the 3 weeks before. A file whose name ends in .onnx is an ONNX model instead, see `onnx_export.convert`.

    Args:
      workdir: the run's folder.
      out: the file to write; one of that name is replaced.

    Raises:
      OSError: if the folder holds no run or no checkpoint, or the file cannot be written.
      ValueError: if the run or its checkpoints are damaged, or the converter to ONNX is not installed.
    """
    export_files.check_target(out)
    config = run_config.load(workdir)
    to_onnx = out.suffix.lower() == ".onnx"
    if to_onnx:
        onnx_export.check_installed()
        config.model.dtype = "float32"  # in which the runtimes compute
    scheme, size = schemes.find(config.data.scheme), config.input.size
    model = models.build_for(config)
    variables = jax.device_get(evaluate.restored(config, model, meshes.make_mesh(), workdir))
    forward = make_forward(model, config, scheme)
    settings = Settings(size, config.input.enlarge, scheme, jax.__version__)
    if to_onnx:
        export_files.write_bytes(out, onnx_export.convert(forward, variables, settings))
    else:
        export_files.write(out, Export(settings, stage(forward, variables, size), by_name(variables)))
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
