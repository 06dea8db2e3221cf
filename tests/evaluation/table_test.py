"""The table of an evaluation: the papers' rows in the papers' order."""

import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
from made_evaluation import made_result

import tfds_builders
from dsat_jax.config import default
from dsat_jax.data import datasets
from dsat_jax.evaluation import evaluate
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.runtime import sharding
from tfds_builders import build

ATTRIBUTES = ["pose", "expression", "illumination", "makeup", "occlusion", "blur"]


@pytest.fixture
def config(tiny_dataset):
    config = default()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, scheme="wflw_98")
    config.evaluate.update(batch_size=16, threshold=0.1)
    return config


def result(nme: list[float], **attributes: list[int]) -> evaluate.SplitResult:
    chosen = {name: np.array(values, bool) for name, values in attributes.items()}
    return made_result(np.array(nme), attributes=chosen)


def test_a_row_for_the_split_and_one_for_each_attribute(config):
    # NME by hand: (0.04 + 0.05 + 0.12) / 3 = 0.07; one of three fails; AUC (0.6 + 0.5 + 0) / 3.
    measured = result([0.04, 0.05, 0.12], pose=[0, 1, 1], makeup=[0, 0, 0], blur=[1, 0, 0])
    text = evaluate.table(evaluate.summarise("test", measured, 0.1), config)
    assert text.splitlines()[1:] == [
        "subset     faces     NME   FR@10  AUC@10",
        "test           3    7.00   33.33   36.67",
        "test/pose      2    8.50   50.00   25.00",
        "test/blur      1    4.00    0.00   60.00",
    ]
    assert "inter-ocular" in text.splitlines()[0]


def test_an_attribute_of_every_face_has_no_row_of_its_own():
    measured = result([0.04, 0.05], pose=[1, 1], blur=[1, 0])
    summaries = evaluate.summarise("test_largepose", measured, 0.1)
    assert list(summaries) == ["test_largepose", "test_largepose/blur"]


def test_attributes_stand_in_the_order_of_the_builder(config, tmp_path, capsys):
    assert datasets.attribute_names(config) == ATTRIBUTES

    def corner_everywhere(variables, images):
        del variables
        return Landmarks(points=jnp.zeros((len(images), 98, 2)), confidence=None, gates=None)

    summaries = evaluate.evaluate_splits(
        corner_everywhere, {}, config, ["test", "train"], sharding.make_mesh(), tmp_path
    )
    rows = [
        split + subset
        for split in ("test", "train")
        for subset in ["", *(f"/{name}" for name in [*ATTRIBUTES, "visible points", "occluded points"])]
    ]
    assert list(summaries) == rows
    assert [line[:21].strip() for line in capsys.readouterr().out.splitlines()[2:-1]] == rows


def test_a_dataset_without_attributes_has_none(config, tmp_path):
    build.build("w300", pathlib.Path(tfds_builders.__file__).parent / "w300" / "dummy_data", tmp_path)
    config.data.update(dataset="w300", data_dir=str(tmp_path))
    assert datasets.attribute_names(config) == []
