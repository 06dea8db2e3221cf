"""Batches of samples, made from records on the host: decoded images, warped once to the network's input, and labels.

A seed gives the same stream for any number of processes, reader threads and reader processes. A step number is enough
to resume it.
Colour and occlusion augmentation, normalisation and targets run on the device (`training/augment.py`, `targets.py`).
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import grain.python as grain
import numpy as np
from ml_collections import ConfigDict

from dsat_jax import geometry, schemes
from dsat_jax.data import covers, mixture, perspective, reader_processes
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.data.turned_records import RecordTurner
from dsat_jax.records import OCCLUDED, UNKNOWN, DamagedRecord
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp

Sample = dict[str, np.ndarray]
_READ_AHEAD = 8  # batches


@dataclasses.dataclass(frozen=True)
class FaceReader:
    """Converter of records to samples.

    Attributes:
      source: records with decoded images, in random access.
      scheme: scheme of the records' landmarks.
      crop: `config.input`.
      augment: `config.augment`.
    """

    source: Sequence[Mapping[str, np.ndarray]]
    scheme: Scheme
    crop: ConfigDict
    augment: ConfigDict

    @functools.cached_property
    def _turner(self) -> RecordTurner:
        return RecordTurner(self.scheme, self.augment)

    def training_sample(self, index: int, rng: np.random.Generator) -> Sample:
        """Returns one face, randomly rotated, scaled, shifted and mirrored.

        An image that cannot be decoded becomes a black crop with `damaged` set and weights of 0. This crop does
        not contribute to the loss, and the training loop counts it.
        """
        mirror = bool(rng.random() < self.augment.mirror)
        angle = rng.uniform(-self.augment.rotation, self.augment.rotation)
        if self.augment.any_rotation and rng.random() < self.augment.any_rotation:
            angle = rng.uniform(-180, 180)
        jitter = geometry.jitter_matrix(
            self.crop.size,
            angle=angle,
            scale=rng.uniform(*self.augment.scale),
            shift=rng.uniform(-self.augment.shift, self.augment.shift, 2) * self.crop.size,
            mirror=mirror,
        )
        try:
            record = self.source[index]
        except DamagedRecord:
            return self._damaged(index)
        if self.augment.turn and rng.random() < self.augment.turn:
            record = self._turner(index, record, rng)
        sample = self._sample(index, record, jitter, mirror)
        if self.augment.perspective:
            sample["image"], sample["points"] = perspective.tilt(
                sample["image"], sample["points"], self.augment.perspective, rng
            )
        if self.augment.cover and rng.random() < self.augment.cover:
            sample["image"] = covers.cover(
                sample["image"], sample["points"], sample["weights"], self.scheme, rng
            )
        return sample

    def test_sample(self, index: int) -> Sample:
        """Returns one face without augmentation, with its box in original pixels, occluded landmarks and attributes.

        Raises:
          DamagedRecord: if the image cannot be decoded.
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
        if mirror:
            # The matrix mirrors only the positions; left and right landmarks still have to be exchanged.
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


def _record_number(index: int) -> Sample:
    return {"record": np.int32(index)}


def _threaded(config: ConfigDict) -> grain.ReadOptions:
    return grain.ReadOptions(num_threads=config.train.reader_threads, prefetch_buffer_size=_READ_AHEAD)


def training_batches(
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    start_step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Sample]:
    """Returns the endless stream of shuffled, augmented batches, starting at a given step.

    With `config.train.keep_decoded` the iterator keeps every decoded record in memory after its first reading;
    `decoded_records.planned_memory` checks beforehand whether they fit. With `config.train.reader_processes` other
    processes make the batches (`reader_processes.read`), otherwise threads of this one. With `config.data.resident` the
    training step makes the samples (`training/device_crops.py`), and the batches contain only the numbers of the same
    records in the same order.

    Args:
      config: run's configuration.
      source: records from `mixture.read_training`.
      start_step: number of batches already used; 0 at the start.
      process_index: index of this process.
      process_count: number of processes; each gets its rows of the same global batches.

    Returns:
      An iterator over dictionaries of arrays with a leading dimension of batch_size / process_count:
      image uint8 [.., size, size, 3]; points float32 [.., points, 2] in input pixels; weights float32 [.., points], 0
      where a position is unknown; to_original float64 [.., 2, 3], input pixels to original pixels, without
      `augment.perspective`; record int32; damaged bool. With `config.data.resident` only record.
    """
    indices = mixture.shuffled(source, config.seed)
    if config.data.resident:
        samples = indices.map(_record_number)
    else:
        reader = _reader(config, DecodedRecords(source, keep=config.train.keep_decoded))
        samples = indices.random_map(reader.training_sample)
    # A process takes consecutive rows, so that the concatenated parts of all processes are the global batch.
    parts = samples.batch(config.train.batch_size // process_count, drop_remainder=True)
    batches = parts[start_step * process_count + process_index :: process_count]
    if config.train.reader_processes:
        return reader_processes.read(batches, config.train.reader_processes)
    return iter(batches.to_iter_dataset(_threaded(config)))


def evaluation_batches(
    config: ConfigDict,
    source: Sequence[Mapping[str, np.ndarray]],
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Sample]:
    """Returns the batches of an evaluation: every face once, in order, without augmentation; the last one is padded.

    Args:
      config: run's configuration.
      source: records from `datasets.read_split`.
      batch_size: size of the global batches.
      process_index: index of this process.
      process_count: number of processes; each gets its rows of the same global batches.

    Returns:
      An iterator over batches as in `training_batches`, with these further fields: box float64 [.., 4], the face box
      in original pixels; occluded bool [.., points]; mask bool [..], False for padding rows; and each attribute of
      the dataset, bool [..].
    """
    reader = _reader(config, DecodedRecords(source))
    count = len(source)

    def sample(index: int) -> Sample:
        return reader.test_sample(min(index, count - 1)) | {"mask": np.bool_(index < count)}

    samples = grain.MapDataset.range(-(-count // batch_size) * batch_size).map(sample)
    faces = samples.batch(batch_size // process_count)[process_index::process_count]
    return iter(faces.to_iter_dataset(_threaded(config)))
