"""Records to batches, on the host: decode, one warp to the network's input, labels as float points.

The stream of a seed is the same for any number of processes and reader threads, and a step is enough to resume it.
Colour, occlusion, normalisation and targets are the device's work (augment.py, targets.py).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import cv2
import grain.python as grain
import numpy as np
from ml_collections import ConfigDict

from dsat_jax import geometry, schemes
from dsat_jax.data.decoded_records import DecodedRecords, KeptRecords
from dsat_jax.records import OCCLUDED, UNKNOWN, DamagedRecord
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp

Sample = dict[str, np.ndarray]
_READ_AHEAD = 8  # batches

cv2.setNumThreads(0)  # the reader's threads are the parallelism


@dataclasses.dataclass(frozen=True)
class FaceReader:
    """Turns records into samples.

    Attributes:
      source: records in random access, their pictures decoded.
      scheme: of their landmarks.
      crop: `config.input`.
      augment: `config.augment`.
    """

    source: Sequence[Mapping[str, np.ndarray]]
    scheme: Scheme
    crop: ConfigDict
    augment: ConfigDict

    def training_sample(self, index: int, rng: np.random.Generator) -> Sample:
        """One face, randomly rotated, scaled, shifted and mirrored.

        A picture that cannot be decoded becomes a black one whose points have no weight, with `damaged` set: it
        takes no part in the loss, and the training counts it.
        """
        mirror = bool(rng.random() < self.augment.mirror)
        jitter = geometry.jitter_matrix(
            self.crop.size,
            angle=rng.uniform(-self.augment.rotation, self.augment.rotation),
            scale=rng.uniform(*self.augment.scale),
            shift=rng.uniform(-self.augment.shift, self.augment.shift, 2) * self.crop.size,
            mirror=mirror,
        )
        try:
            return self._sample(index, self.source[index], jitter, mirror)
        except DamagedRecord:
            return self._damaged(index)

    def test_sample(self, index: int) -> Sample:
        """One face in its plain crop, with its box in original pixels, which landmarks are occluded, its attributes.

        Raises:
          DamagedRecord: if the picture cannot be decoded.
        """
        record = self.source[index]
        corners = record["box"].astype(np.float64).reshape(2, 2)
        sample = self._sample(index, record, geometry.IDENTITY, mirror=False)
        sample["box"] = geometry.transform_points(record["to_original"], corners).reshape(4)
        sample["occluded"] = record["visibility"] == OCCLUDED
        if "attributes" in record:
            sample["attributes"] = record["attributes"]
        return sample

    def _sample(
        self, index: int, record: Mapping[str, np.ndarray], jitter: np.ndarray, mirror: bool
    ) -> Sample:
        crop = geometry.crop_matrix(record["box"], self.crop.size, self.crop.enlarge)
        matrix = geometry.compose(jitter, crop)
        points = geometry.transform_points(matrix, record["landmarks"].astype(np.float64))
        weights = (record["visibility"] != UNKNOWN).astype(np.float32)
        if mirror:  # the matrix has mirrored the positions; now each landmark is that of the other side
            points = points[self.scheme.mirror_permutation]
            weights = weights[self.scheme.mirror_permutation]
        return {
            "image": warp(record["image"], matrix, self.crop.size),
            "points": points.astype(np.float32),
            "weights": weights,
            "to_original": geometry.compose(record["to_original"], geometry.invert(matrix)),
            "record": np.int32(index),
            "damaged": np.bool_(False),
        }

    def _damaged(self, index: int) -> Sample:
        size, num_points = self.crop.size, self.scheme.num_points
        return {
            "image": np.zeros((size, size, 3), np.uint8),
            "points": np.zeros((num_points, 2), np.float32),
            "weights": np.zeros(num_points, np.float32),
            "to_original": geometry.IDENTITY,
            "record": np.int32(index),
            "damaged": np.bool_(True),
        }


def _reader(config: ConfigDict, decoded: Sequence[Mapping[str, np.ndarray]]) -> FaceReader:
    return FaceReader(decoded, schemes.find(config.data.scheme), config.input, config.augment)


def training_batches(
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    start_step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Sample]:
    """The endless stream of shuffled, augmented batches, from a step on.

    With `config.train.keep_decoded` the records stay in memory as they are read, decoded, as long as the iterator is
    there; `decoded_records.planned_memory` tells beforehand whether they fit.

    Args:
      config: the run's configuration.
      source: records from `datasets.read_split`.
      start_step: number of batches already seen; 0 at the start.
      process_index: of this process.
      process_count: each process gets its rows of the same global batches.

    Returns:
      An iterator over dictionaries of arrays with a leading dimension of batch_size / process_count:
      image uint8 [.., size, size, 3]; points float32 [.., points, 2] in input pixels; weights float32 [.., points], 0
      where a position is unknown; to_original float64 [.., 2, 3], input pixels to original pixels; record int32;
      damaged bool.
    """
    decoded = DecodedRecords(source)
    reader = _reader(config, KeptRecords(decoded) if config.train.keep_decoded else decoded)
    indices = grain.MapDataset.range(len(source)).seed(config.seed).shuffle().repeat(None)
    samples = indices.random_map(reader.training_sample)
    # A process takes consecutive rows, so that the processes' parts, one after the other, are the global batch.
    parts = samples.batch(config.train.batch_size // process_count, drop_remainder=True)
    batches = parts[start_step * process_count + process_index :: process_count]
    options = grain.ReadOptions(num_threads=config.train.reader_threads, prefetch_buffer_size=_READ_AHEAD)
    return iter(batches.to_iter_dataset(options))


def evaluation_batches(
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Sample]:
    """Every face once, in order, in its plain crop; the last batch is filled up and masked.

    Args:
      config: the run's configuration.
      source: records from `datasets.read_split`.
      batch_size: of the global batches.
      process_index: of this process.
      process_count: each process gets its rows of the same global batches.

    Returns:
      An iterator over batches as in `training_batches`, with box float64 [.., 4], the face box in original pixels,
      occluded bool [.., points], mask bool [..], False where a row is filling, and the dataset's attributes, bool [..]
      each, if it has any.
    """
    reader = _reader(config, DecodedRecords(source))
    count = len(source)

    def sample(index: int) -> Sample:
        return reader.test_sample(min(index, count - 1)) | {"mask": np.bool_(index < count)}

    samples = grain.MapDataset.range(-(-count // batch_size) * batch_size).map(sample)
    faces = samples.batch(batch_size // process_count)[process_index::process_count]
    options = grain.ReadOptions(num_threads=config.train.reader_threads, prefetch_buffer_size=_READ_AHEAD)
    return iter(faces.to_iter_dataset(options))
