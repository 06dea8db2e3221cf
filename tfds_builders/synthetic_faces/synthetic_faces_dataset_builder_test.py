"""Building a tiny dataset and reading it back."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from dsat_jax import geometry
from tfds_builders import face_builder
from tfds_builders.synthetic_faces import drawing
from tfds_builders.synthetic_faces.synthetic_faces_dataset_builder import Builder, SyntheticFacesConfig
from tfds_builders.synthetic_faces.turned import YAW_ATTRIBUTES


def build(folder: pathlib.Path, **settings: object) -> Builder:
    config = SyntheticFacesConfig("small", **{"num_train": 6, "num_test": 3, "seed": 11} | settings)
    builder = Builder(config=config, data_dir=folder)
    builder.download_and_prepare(file_format="array_record")
    return builder


def read(builder: face_builder.FaceBuilder, split: str, raw: bool = False) -> dict[str, dict]:
    """The records of a split by name; `raw` leaves the images encoded."""
    decoders = {"image": tfds.decode.SkipDecoding()} if raw else None
    source = builder.as_data_source(split=split, decoders=decoders)
    return {record["name"].decode(): record for record in source}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return build(tmp_path_factory.mktemp("built"))


def test_the_splits_have_the_requested_sizes(built):
    assert {name: info.num_examples for name, info in built.info.splits.items()} == {"train": 6, "test": 3}
    assert sorted(read(built, "train")) == [f"train/{index:06d}" for index in range(6)]
    assert sorted(read(built, "test")) == [f"test/{index:06d}" for index in range(3)]


@pytest.mark.parametrize(("split", "number"), [("train", 0), ("test", 1)])
def test_records_are_the_drawn_faces(built, split: str, number: int):
    for index, (_, record) in enumerate(sorted(read(built, split).items())):
        face = drawing.draw_face(11, number, index)
        original = geometry.transform_points(record["to_original"], record["landmarks"])
        np.testing.assert_allclose(original, face.points, atol=1e-4)
        np.testing.assert_array_equal(record["visibility"], face.visibility)
        np.testing.assert_allclose(record["box"], geometry.box_of_points(record["landmarks"]), atol=1e-4)
        assert record["attributes"] == face.attributes
        assert record["face"] == 0
        x, y = record["to_original"][:, 2].round().astype(int)
        height, width = record["image"].shape[:2]
        difference = record["image"].astype(int) - face.image[y : y + height, x : x + width]
        assert np.abs(difference).mean() < 3  # JPEG


def test_the_original_images_are_stored_without_loss(tmp_path):
    record = read(build(tmp_path, cut=False), "train")["train/000004"]
    np.testing.assert_array_equal(record["image"], drawing.draw_face(11, 0, 4).image)
    np.testing.assert_array_equal(record["to_original"], geometry.IDENTITY)


def test_a_second_build_is_the_same_and_so_are_two_processes(built, tmp_path):
    again = read(build(tmp_path, processes=2), "train", raw=True)
    for name, record in read(built, "train", raw=True).items():
        assert record["image"] == again[name]["image"]
        np.testing.assert_array_equal(record["landmarks"], again[name]["landmarks"])


def test_another_seed_draws_other_faces(built, tmp_path):
    other = read(build(tmp_path, seed=12), "test", raw=True)
    for name, record in read(built, "test", raw=True).items():
        assert np.abs(record["landmarks"] - other[name]["landmarks"]).max() > 1


def test_configurations():
    sizes = {name: (config.num_train, config.num_test) for name, config in Builder.builder_configs.items()}
    assert sizes == {"faces": (4000, 500), "original": (4000, 500), "tiny": (64, 16), "turned": (8000, 1000)}
    assert [config.cut for config in Builder.BUILDER_CONFIGS] == [True, False, True, True]
    assert [config.turned for config in Builder.BUILDER_CONFIGS] == [False, False, False, True]


def test_turned_faces_have_attributes_of_their_yaw(tmp_path):
    records = read(build(tmp_path, turned=True, processes=2), "train")
    for index, record in enumerate(records[name] for name in sorted(records)):
        face = drawing.draw_face(11, 0, index, turned=True)
        assert record["attributes"] == face.attributes
        assert sum(record["attributes"][name] for name in YAW_ATTRIBUTES) == 1
        original = geometry.transform_points(record["to_original"], record["landmarks"])
        np.testing.assert_allclose(original, face.points, atol=1e-4)
