"""Crops of resident records inside the jitted training step: random jitter, mirroring and warp on the devices.

The distribution of the jitter, its composition with the crop's transform and the warp are those of
`data.batches.FaceReader.training_sample`. The draws follow from the seed and the step. The batches do not depend on the
number of devices.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from ml_collections import ConfigDict

from dsat_jax import geometry
from dsat_jax.data import resident_records
from dsat_jax.data.resident_records import ResidentRecords
from dsat_jax.schemes import Scheme
from dsat_jax.training import device_warp


class Jitter(NamedTuple):
    """The random draws of a batch.

    Attributes:
      mirror: bool [batch].
      angle: float32 [batch], in degrees, clockwise in the image.
      scale: float32 [batch].
      shift: float32 [batch, 2], as shares of the input's side.
    """

    mirror: jax.Array
    angle: jax.Array
    scale: jax.Array
    shift: jax.Array


def draw_jitter(key: jax.Array, count: int, augment: ConfigDict) -> Jitter:
    """Returns random draws for a number of faces.

    Args:
      key: random key.
      count: number of faces.
      augment: `config.augment`.
    """
    mirror_key, angle_key, scale_key, shift_key = jax.random.split(key, 4)
    low, high = augment.scale
    angle = jax.random.uniform(angle_key, (count,), minval=-augment.rotation, maxval=augment.rotation)
    if augment.any_rotation:
        chosen_key, circle_key = jax.random.split(jax.random.fold_in(key, 4))
        is_chosen = jax.random.bernoulli(chosen_key, augment.any_rotation, (count,))
        angle = jnp.where(is_chosen, jax.random.uniform(circle_key, (count,), minval=-180, maxval=180), angle)
    return Jitter(
        jax.random.bernoulli(mirror_key, augment.mirror, (count,)),
        angle,
        jax.random.uniform(scale_key, (count,), minval=low, maxval=high),
        jax.random.uniform(shift_key, (count, 2), minval=-augment.shift, maxval=augment.shift),
    )


def cut(
    records: ResidentRecords,
    indices: jax.Array,
    jitter: Jitter,
    config: ConfigDict,
    scheme: Scheme,
    mesh: Mesh,
) -> dict[str, jax.Array]:
    """Returns the batch of some records; for use inside jit.

    Args:
      records: records on the mesh.
      indices: numbers of the records, int32 [batch].
      jitter: draws for these faces.
      config: run's configuration.
      scheme: landmark scheme of the records.
      mesh: mesh from `sharding.make_mesh`.

    Returns:
      image uint8 [batch, size, size, 3]; points float32 [batch, points, 2] in input pixels; weights float32
      [batch, points]; damaged bool [batch]. A damaged face is black, with points and weights of 0.
    """
    size = config.input.size
    averaging = device_warp.make_averaging(
        size, resident_records.largest_rotation(config), records.lowest_scale
    )
    face = functools.partial(_face, size=size, averaging=averaging, mirrored=scheme.mirror_permutation)

    def on_device(records: ResidentRecords, indices: jax.Array, jitter: Jitter) -> dict[str, jax.Array]:
        return jax.vmap(face)(_rows(records, indices, mesh), jitter)

    split = PartitionSpec(mesh.axis_names)
    run = jax.shard_map(on_device, mesh=mesh, in_specs=split, out_specs=split, check_vma=False)
    return run(records, indices, jitter)


def _rows(records: ResidentRecords, indices: jax.Array, mesh: Mesh) -> ResidentRecords:
    """Returns the records of a device's part of the batch, with packed pixels; for use inside `shard_map`.

    Each device takes those records of the whole batch that it holds, and zeros for the others. A reduce-scatter adds
    these arrays and hands each device its rows.

    Args:
      records: records that this device holds.
      indices: numbers of the records in this device's part of the batch, int32 [batch / devices].
      mesh: mesh from `sharding.make_mesh`.
    """
    if mesh.size == 1:
        rows = jax.tree.map(lambda held: held[indices], records)
        return rows.replace(images=device_warp.pack(rows.images))
    axes, count = mesh.axis_names, len(records.limits)
    row = jax.lax.all_gather(indices, axes, tiled=True) - jax.lax.axis_index(axes) * count
    rows = jax.tree.map(lambda held: held[jnp.clip(row, 0, count - 1)], records)
    rows = rows.replace(images=device_warp.pack(rows.images))
    is_held = (row >= 0) & (row < count)

    def scatter(taken: jax.Array) -> jax.Array:
        kept = jnp.where(is_held.reshape(-1, *(1,) * (taken.ndim - 1)), taken, 0)
        return jax.lax.psum_scatter(kept, axes, tiled=True)

    return jax.tree.map(scatter, rows)


def _face(
    record: ResidentRecords,
    jitter: Jitter,
    *,
    size: int,
    averaging: device_warp.Averaging | None,
    mirrored: np.ndarray,
) -> dict[str, jax.Array]:
    """Returns one row of the batch of `cut`.

    Args:
      record: row of a record, with packed pixels.
      jitter: draws of the face.
      size: side of the crop in pixels.
      averaging: limits of averaged parts.
      mirrored: the scheme's `mirror_permutation`.
    """
    with jax.enable_x64(True):  # as on the host: the position of a pixel is rounded to 1/32 px
        angle, scale, shift = (
            draw.astype(jnp.float64) for draw in (jitter.angle, jitter.scale, jitter.shift)
        )
        matrix = geometry.jitter_matrix(size, angle, scale, shift * size, jitter.mirror)
        matrix = geometry.compose(matrix, record.crops.astype(jnp.float64).sum(axis=0))
        points = geometry.transform_points(matrix, record.landmarks.astype(jnp.float64)).astype(jnp.float32)
    damaged = record.limits[0] == 0
    return {
        "image": device_warp.warp(record.images, record.limits, matrix, size, averaging),
        "points": jnp.where(damaged, 0, jnp.where(jitter.mirror, points[mirrored], points)),
        "weights": jnp.where(jitter.mirror, record.weights[mirrored], record.weights),
        "damaged": damaged,
    }
