"""Content of a report: the results of one evaluation, and the records with the images."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from dsat_jax import metrics, schemes
from dsat_jax.data.datasets import Record
from dsat_jax.evaluation import split_result
from dsat_jax.evaluation.split_result import SplitResult
from dsat_jax.schemes import Scheme


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The evaluation of a network on splits of one dataset.

    Attributes:
      config: configuration of the run, with dataset and scheme of the evaluation.
      results: results by split.
      sources: records by split.
      summaries: summaries of all splits, see `split_result.summarise`.
      names: image name of every face, by split.
      parameters: number of the network's parameters.
      device: description of the devices.
    """

    config: ConfigDict
    results: Mapping[str, SplitResult]
    sources: Mapping[str, Sequence[Record]]
    summaries: Mapping[str, Mapping[str, float]]
    names: Mapping[str, Sequence[str]]
    parameters: int
    device: str

    @property
    def scheme(self) -> Scheme:
        """Scheme of the landmarks."""
        return schemes.find(self.config.data.scheme)

    @property
    def normaliser(self) -> str:
        """Written name of the normaliser: `inter-ocular`."""
        return split_result.normaliser_name(self.config)

    @property
    def normaliser_in_words(self) -> str:
        """Description of the normaliser."""
        return metrics.normaliser_in_words(self.config.evaluate.normaliser, self.scheme)


@dataclasses.dataclass(frozen=True)
class DistinctFaces:
    """The faces of all splits, each once. Splits may overlap: the full test set of 300W contains its two parts.

    Attributes:
      result: joined result of these faces.
      split: first split that contains the face, for each face.
      name: image name of each face.
    """

    result: SplitResult
    split: Sequence[str]
    name: Sequence[str]


def distinct_faces(evaluation: Evaluation) -> DistinctFaces:
    """Returns the faces of an evaluation, each once; image name and labels identify a face."""
    seen, kept, splits, names = set(), [], [], []
    for split, result in evaluation.results.items():
        rows = []
        for row, name in enumerate(evaluation.names[split]):
            key = (name, np.round(result.labels[row], 2).tobytes())
            if key not in seen:
                seen.add(key)
                rows.append(row)
                splits.append(split)
                names.append(name)
        kept.append(np.array(rows, int))
    return DistinctFaces(split_result.joined([*evaluation.results.values()], kept), splits, names)


def picture_names(source: Sequence[Record], records: np.ndarray) -> list[str]:
    """Returns the image name of each face; `#1`, `#2` ... follow the name for further faces of an image.

    Args:
      source: records of a split.
      records: index of each face's record, int [faces].
    """
    names = []
    for record in records.tolist():
        fields = source[record]
        face = int(fields["face"])
        names.append(fields["name"].decode() + (f"#{face}" if face else ""))
    return names
