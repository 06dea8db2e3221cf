"""Export: a trained run as one file that predicts without the code of its network, on CPUs, GPUs and TPUs.

`exported.load_exported` reads the file; `export_files` says what is in it.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from dsat_jax import config as run_config, evaluate, export_files, mesh as meshes, models, schemes
from dsat_jax.export_files import Export
from dsat_jax.forward import Forward, make_forward

PLATFORMS = ("cpu", "cuda", "tpu")

Network = Callable[[Mapping[str, jax.Array], jax.Array], dict[str, jax.Array]]


def export_run(workdir: pathlib.Path, out: pathlib.Path) -> None:
    """The story of `--mode=export`: the best checkpoint of a run, its network and its crop as one file.

    The network is staged by `jax.export` for any number of faces and for all of `PLATFORMS`, whichever this process
    runs on. It can be read by the JAX that wrote it, by JAX's promise for 6 months of newer releases, and by those
    of the 3 weeks before.

    Args:
      workdir: the run's folder.
      out: the file to write; one of that name is replaced.

    Raises:
      OSError: if the folder holds no run or no checkpoint, or the file cannot be written.
      ValueError: if the run or its checkpoints are damaged.
    """
    export_files.check_target(out)
    config = run_config.load(workdir)
    scheme = schemes.find(config.data.scheme)
    model = models.build_for(config)
    variables = jax.device_get(evaluate.restored(config, model, meshes.make_mesh(), workdir))
    export = Export(
        size=config.input.size,
        enlarge=config.input.enlarge,
        scheme=scheme,
        jax_version=jax.__version__,
        network=stage(make_forward(model, config, scheme), variables, config.input.size),
        weights=by_name(variables),
    )
    export_files.write(out, export)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {scheme.num_points} points on crops of {export.size} px")


def by_name(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a model by name: `{"params/backbone/conv/kernel": ..., ...}`."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def as_network(forward: Forward, variables: Mapping[str, Any]) -> Network:
    """A forward pass that takes its variables by name, and returns what there is of a `Landmarks` by name.

    Args:
      forward: from `make_forward`.
      variables: of the model, or their shapes.
    """
    structure, names = jax.tree.structure(variables), list(by_name(variables))

    def network(weights: Mapping[str, jax.Array], images: jax.Array) -> dict[str, jax.Array]:
        found = forward(jax.tree.unflatten(structure, [weights[name] for name in names]), images)
        return {name: value for name, value in found._asdict().items() if value is not None}

    return network


def stage(forward: Forward, variables: Mapping[str, Any], size: int) -> bytes:
    """A forward pass as `jax.export` serialises it: `network(weights, images)`, see `as_network`.

    Args:
      forward: from `make_forward`.
      variables: of the model, or their shapes.
      size: side of the images, uint8 [any batch, size, size, 3].
    """
    (batch,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8)
    weights = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in by_name(variables).items()}
    staged = jax.export.export(jax.jit(as_network(forward, variables)), platforms=PLATFORMS)(weights, images)
    return bytes(staged.serialize())
