"""What a report is made from: the results of one evaluation, and the records to read pictures from again."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from dsat_jax import schemes
from dsat_jax.data.datasets import Record
from dsat_jax.evaluation import split_result
from dsat_jax.evaluation.split_result import SplitResult
from dsat_jax.schemes import Scheme

# By key of `metrics.NORMALISERS`.
NORMALISERS_IN_WORDS = {
    "inter_ocular": "inter-ocular distance (of the outer eye corners)",
    "inter_pupil": "inter-pupil distance",
    "box_diagonal": "diagonal of the face box",
    "box_size": "size of the face box, √(width · height)",
    "landmark_box_size": "size of the box around the landmarks, √(width · height)",
}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A run, measured on splits of one dataset.

    Attributes:
      config: the run's, with the dataset and the scheme that it was measured on.
      results: by split.
      sources: the splits' records.
      summaries: see `split_result.summarise`, of all splits.
      names: of the picture of every face, by split.
      parameters: numbers that the network has learned.
      device: what it ran on, in words.
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
        """Of the landmarks."""
        return schemes.find(self.config.data.scheme)

    @property
    def normaliser(self) -> str:
        """As it is written: `inter-ocular`."""
        return split_result.normaliser_name(self.config)

    @property
    def normaliser_in_words(self) -> str:
        """What errors are divided by."""
        if self.normaliser != self.config.evaluate.normaliser.replace("_", "-"):
            return self.normaliser  # of a scheme of the user's own
        return NORMALISERS_IN_WORDS[self.config.evaluate.normaliser]


@dataclasses.dataclass(frozen=True)
class DistinctFaces:
    """The faces of all splits, each once: splits may overlap, as 300W's full test set holds its two parts.

    Attributes:
      result: of all of them.
      split: name of the first split that holds each face.
      name: of each face's picture.
    """

    result: SplitResult
    split: Sequence[str]
    name: Sequence[str]


def distinct_faces(evaluation: Evaluation) -> DistinctFaces:
    """The faces of an evaluation, each once; they are told apart by their picture's name and their labels."""
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
    """The name of the picture of each face, by its record; with `#1` ... where a picture's further faces are meant."""
    names = []
    for record in records.tolist():
        fields = source[record]
        face = int(fields["face"])
        names.append(fields["name"].decode() + (f"#{face}" if face else ""))
    return names
