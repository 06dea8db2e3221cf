"""Training records in the memory of the devices, split over the mesh, for `config.data.resident`.

Every image is decoded once, before the first step. A step then needs only the numbers of its records from the host;
`training/device_crops.py` makes its crops.
"""

import dataclasses
import functools
import io
from collections.abc import Sequence
from concurrent import futures

import jax
import numpy as np
import psutil
from flax import struct
from jax.sharding import Mesh
from ml_collections import ConfigDict
from PIL import Image

from dsat_jax import geometry
from dsat_jax.data.datasets import Record
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.records import UNKNOWN, DamagedRecord
from dsat_jax.runtime import sharding


class ResidentRecords(struct.PyTreeNode):
    """Decoded records on the devices: arrays with one row per record, split over all devices of all processes.

    Attributes:
      images: uint8 [rows, 3, height, width], the parts of the images that crops can show, from their top-left pixel;
        black beyond them.
      limits: int32 [rows, 2], width and height of each part; 0 for a damaged image and for rows without a record.
      landmarks: float32 [rows, points, 2], in pixels of the parts.
      weights: float32 [rows, points], 0 where a position is unknown.
      crops: float32 [rows, 2, 2, 3], transform of `geometry.crop_matrix` for pixels of the parts, as the sum of two
        float32 matrices [2, 3], because devices have no float64 arrays.
      lowest_scale: lowest scale of a crop with its jitter, input pixels for each pixel of the image.
    """

    images: jax.Array
    limits: jax.Array
    landmarks: jax.Array
    weights: jax.Array
    crops: jax.Array
    lowest_scale: float = struct.field(pytree_node=False)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `load` will place on the devices, from the annotations and the headers of the images.

    Attributes:
      low: int [records, 2], first x and y of the part of each image that crops can show.
      sizes: int [records, 2], width and height of each part; 0 for an image without a header.
      crops: float64 [records, 2, 3], transforms of `geometry.crop_matrix`, for pixels of the images.
      points: number of landmarks.
      lowest_scale: lowest scale of a crop with its jitter, input pixels for each pixel of the image.
      rows: number of rows, a multiple of the number of devices.
    """

    low: np.ndarray
    sizes: np.ndarray
    crops: np.ndarray
    points: int
    lowest_scale: float
    rows: int

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape of a row and dtype of each array of `ResidentRecords`."""
        width, height = self.sizes.max(axis=0).tolist()
        return {
            "images": ((3, height, width), np.uint8),
            "limits": ((2,), np.int32),
            "landmarks": ((self.points, 2), np.float32),
            "weights": ((self.points,), np.float32),
            "crops": ((2, 2, 3), np.float32),
        }

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of all arrays."""
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in self.shapes.values())


def plan(source: Sequence[Record], config: ConfigDict, mesh: Mesh) -> Plan:
    """Returns the sizes of resident records, without decoding an image.

    Args:
      source: records from `mixture.read_training`.
      config: run's configuration.
      mesh: mesh from `sharding.make_mesh`.
    """
    reach = _reach(config)
    with futures.ThreadPoolExecutor(max(1, config.train.reader_threads)) as threads:
        parts = list(threads.map(lambda index: _part(source[index], config, reach), range(len(source))))
    low, sizes, crops = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    return Plan(
        low,
        sizes,
        crops,
        points=len(source[0]["landmarks"]),
        lowest_scale=float(np.hypot(crops[:, 0, 0], crops[:, 1, 0]).min() * config.augment.scale[0]),
        rows=sharding.spread(len(source), mesh.size),
    )


def largest_rotation(config: ConfigDict) -> float:
    """Returns the largest rotation of a training crop in degrees."""
    return 180.0 if config.augment.any_rotation else config.augment.rotation


def _reach(config: ConfigDict) -> float:
    """Returns the largest distance, along an axis, of a pixel that a crop reads from the middle of the crop before its
    jitter, in input pixels; see `geometry.jitter_matrix` and `warp.warp`."""
    radians = np.deg2rad(min(largest_rotation(config), 45.0))
    half = (config.input.size + 3) / 2 + config.augment.shift * config.input.size
    return half * (np.cos(radians) + np.sin(radians)) / config.augment.scale[0]


def _part(record: Record, config: ConfigDict, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns first pixel [2] and size [2] of the part of an image that crops can show, and its crop's transform."""
    crop = geometry.crop_matrix(record["box"], config.input.size, config.input.enlarge)
    limits = _image_size(record["image"])
    if not limits.any():
        return limits, limits, crop
    middle = np.full(2, (config.input.size - 1) / 2)
    ends = geometry.transform_points(geometry.invert(crop), np.stack([middle - reach, middle + reach]))
    # Two pixels more, because a crop reads whole pixels.
    low = np.clip(np.floor(ends[0]) - 2, 0, limits - 1).astype(int)
    high = np.clip(np.ceil(ends[1]) + 3, low + 1, limits).astype(int)
    return low, high - low, crop


def _image_size(data: bytes) -> np.ndarray:
    """Returns width and height of an encoded image, int [2]; 0 if it cannot be decoded because of its header."""
    try:
        image_files.decoded_bytes(data)
    except UserError:
        return np.zeros(2, int)
    with Image.open(io.BytesIO(data)) as header:
        return np.array(header.size)


def memory(planned: Plan, mesh: Mesh) -> str:
    """Returns a log line with the memory that resident records take.

    Args:
      planned: plan of the records.
      mesh: mesh from `sharding.make_mesh`.

    Raises:
      UserError: if it exceeds the available memory of a device of this process.
    """
    rows = planned.rows // mesh.size
    needed, available = rows * planned.row_bytes, min(map(_available, mesh.local_devices))
    width, height = planned.sizes.max(axis=0)
    count = len(planned.sizes)
    what = f"{count} training images of at most {width} x {height} px"
    on_each = f"on each of {mesh.size} devices" if mesh.size > 1 else "on one device"
    if needed > available:
        raise UserError(
            f"config.data.resident is true, but {what} take {_gib(needed)} {on_each}; found {_gib(available)} of "
            "available memory: leave it false"
        )
    return (
        f"{what} stay on the devices: {count} records x {planned.row_bytes / 1e3:.0f} kB, {_gib(needed)} of "
        f"{_gib(available)} available {on_each}"
    )


def _available(device: jax.Device) -> int:
    """Returns the available memory of a device in bytes; the CPU devices of a process share that of the host."""
    statistics = device.memory_stats()
    if statistics and "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics["bytes_in_use"]
    return psutil.virtual_memory().available // jax.local_device_count()


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def load(planned: Plan, source: Sequence[Record], config: ConfigDict, mesh: Mesh) -> ResidentRecords:
    """Decodes the records of this process's devices and places them, one device after another.

    Args:
      planned: plan of the records.
      source: records from `datasets.read_split`.
      config: run's configuration.
      mesh: mesh from `sharding.make_mesh`.
    """
    decoded, split = DecodedRecords(source), sharding.split_batch(mesh)
    parts: dict[str, list[jax.Array]] = {name: [] for name in planned.shapes}
    with futures.ThreadPoolExecutor(max(1, config.train.reader_threads)) as threads:
        for device, (rows,) in split.addressable_devices_indices_map((planned.rows,)).items():
            first, last, _ = rows.indices(planned.rows)
            arrays = {
                name: np.zeros((last - first, *shape), dtype)
                for name, (shape, dtype) in planned.shapes.items()
            }
            indices = range(first, min(last, len(source)))
            list(threads.map(functools.partial(_fill, planned, decoded, arrays, first), indices))
            for name, array in arrays.items():
                parts[name].append(jax.device_put(array, device))
    joined = {
        name: jax.make_array_from_single_device_arrays((planned.rows, *shape), split, parts[name])
        for name, (shape, _) in planned.shapes.items()
    }
    return ResidentRecords(**joined, lowest_scale=planned.lowest_scale)


def _fill(
    planned: Plan, decoded: DecodedRecords, arrays: dict[str, np.ndarray], first: int, index: int
) -> None:
    """Writes a record into its row of arrays that begin with record `first`; a damaged one leaves zeros."""
    try:
        record = decoded[index]
    except DamagedRecord:
        return
    row, low, (width, height) = index - first, planned.low[index], planned.sizes[index]
    part = record["image"][low[1] : low[1] + height, low[0] : low[0] + width]
    arrays["images"][row, :, :height, :width] = part.transpose(2, 0, 1)
    arrays["limits"][row] = width, height
    arrays["landmarks"][row] = record["landmarks"] - low
    arrays["weights"][row] = record["visibility"] != UNKNOWN
    to_image = np.concatenate([np.eye(2), low[:, None]], axis=1)
    crop = geometry.compose(planned.crops[index], to_image)
    arrays["crops"][row, 0] = crop
    arrays["crops"][row, 1] = crop - arrays["crops"][row, 0]
