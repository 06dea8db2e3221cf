"""synthetic_faces: procedural faces with exact landmarks, drawn by the builder itself."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from dsat_jax.schemes import WFLW_98
from tfds_builders import faces
from tfds_builders.synthetic_faces.parameters import ATTRIBUTES
from tfds_builders.synthetic_faces.workers import draw_faces

_SPLITS = ("train", "test")  # a split's position is the number of its random stream


@dataclasses.dataclass
class SyntheticFacesConfig(faces.FacesConfig):
    """How many faces are drawn and how they are stored.

    Attributes:
      num_train: faces of the split `train`.
      num_test: faces of the split `test`.
      seed: face i of a split is the same picture for the same seed.
      processes: number of processes that draw; None takes one per core. The faces do not depend on it.
    """

    num_train: int = 4000
    num_test: int = 500
    seed: int = 0
    processes: int | None = None


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of synthetic_faces.

    Other sizes need a configuration with a name of its own, since the name is part of the dataset's folder:
    `Builder(config=SyntheticFacesConfig(name="tiny", num_train=12, num_test=4))`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (TFDS's form)
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's form)
        SyntheticFacesConfig(**{field.name: getattr(config, field.name) for field in dataclasses.fields(config)})
        for config in faces.CONFIGS
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(features=faces.features(WFLW_98.num_points, ATTRIBUTES))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        config = self.builder_config
        sizes = zip(_SPLITS, (config.num_train, config.num_test), strict=True)
        return {split: self._generate_examples(split, size) for split, size in sizes}

    def _generate_examples(self, split: str, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
        config = self.builder_config
        for index, drawing in enumerate(draw_faces(config.seed, _SPLITS.index(split), size, config.processes)):
            yield index, faces.make_record(
                config,
                picture=drawing.image,
                landmarks=drawing.points,
                visibility=drawing.visibility,
                name=f"{split}/{index:06d}",
                attributes=drawing.attributes,
            )
