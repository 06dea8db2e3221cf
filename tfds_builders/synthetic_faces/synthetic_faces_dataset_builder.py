"""synthetic_faces, see README.md in this folder."""

import dataclasses

import tensorflow_datasets as tfds

from dsat_jax import schemes
from tfds_builders import face_builder, faces
from tfds_builders.synthetic_faces.parameters import ATTRIBUTES
from tfds_builders.synthetic_faces.turned import YAW_ATTRIBUTES
from tfds_builders.synthetic_faces.workers import draw_faces

SCHEME = schemes.WFLW_98
SPLITS = ("train", "test")  # a split's position is the number of its random stream


@dataclasses.dataclass
class SyntheticFacesConfig(faces.FacesConfig):
    """The number of drawn faces, and how they are stored.

    Attributes:
      num_train: number of faces in the split `train`.
      num_test: number of faces in the split `test`.
      seed: seed of the faces; face i of a split depends on it, the split and i alone.
      processes: number of drawing processes; 0 draws in this process, None takes one process per core if there
        are many faces. The faces do not depend on it.
      turned: whether the faces have any yaw to both sides, and attributes of it.
    """

    num_train: int = 4000
    num_test: int = 500
    seed: int = 0
    processes: int | None = None
    turned: bool = False


class Builder(face_builder.FaceBuilder):
    """Procedural faces with exact landmarks, 98 of them in WFLW's order, drawn by the builder itself.

    Another size needs a configuration with a new name, since that names the dataset's folder:
    `Builder(config=SyntheticFacesConfig(name="mine", num_train=100, num_test=20, seed=1))`.
    """

    scheme = SCHEME
    drawn_splits = SPLITS

    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's form)
        SyntheticFacesConfig(faces.CONFIGS[0].name, description=faces.CONFIGS[0].description, cut=True),
        SyntheticFacesConfig("original", description="The whole images as PNG, without loss.", cut=False),
        SyntheticFacesConfig(
            "tiny",
            description="A few faces, cut out, for quick trials and for tests.",
            num_train=64,
            num_test=16,
        ),
        SyntheticFacesConfig(
            "turned",
            description="Faces from the left to the right profile, cut out.",
            num_train=8000,
            num_test=1000,
            turned=True,
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        attributes = (*ATTRIBUTES, *YAW_ATTRIBUTES) if self.builder_config.turned else ATTRIBUTES
        return self.dataset_info_from_configs(features=faces.features(SCHEME.num_points, attributes))

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, face_builder.Shards]:
        del dl_manager  # nothing is downloaded
        config = self.builder_config
        return {
            split: self._draw_split(split, size)
            for split, size in zip(SPLITS, (config.num_train, config.num_test), strict=True)
        }

    def _draw_split(self, split: str, size: int) -> face_builder.Shards:
        config = self.builder_config

        def name(index: int) -> str:
            return f"{split}/{index:06d}"

        def key(index: int) -> str:
            return f"{name(index)}#0"

        order = face_builder.shuffle(split, range(size), key)
        drawn_faces = draw_faces(config.seed, SPLITS.index(split), order, config.processes, config.turned)
        drawings = zip(order, drawn_faces, strict=True)

        def read(index: int) -> dict[str, object]:
            """The arguments of `faces.make_record` for a face; must be called in the order of `order`."""
            drawn, drawing = next(drawings)
            if drawn != index:
                raise RuntimeError(f"face {index} of {split} was requested, but face {drawn} was drawn")
            return {
                "picture": drawing.image,
                "landmarks": drawing.points,
                "visibility": drawing.visibility,
                "name": name(index),
                "attributes": drawing.attributes,
            }

        return self._shards(split, order, key, read)
