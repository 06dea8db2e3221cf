"""The table of configs/wflw.py for each kind of copy: every existing subset, and no row twice."""

import pathlib

import jax.numpy as jnp
import pytest

from configs import wflw
from dsat_jax.data import datasets
from dsat_jax.evaluation import evaluate
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.runtime import sharding
from tfds_builders import build
from tfds_builders.wflw.conftest import keep_only_short_lists


def corner_everywhere(variables: object, images: jnp.ndarray) -> Landmarks:
    del variables
    return Landmarks(points=jnp.zeros((len(images), 98, 2)), confidence=None, gates=None)


def rows(raw: pathlib.Path, folder: pathlib.Path) -> dict[str, int]:
    """Builds a copy and evaluates the test splits of the configuration: the number of faces by row."""
    build.build("wflw", raw, folder)
    config = wflw.get_config()
    config.data.data_dir = str(folder)
    config.evaluate.batch_size = 4
    summaries = evaluate.evaluate_splits(
        corner_everywhere,
        {},
        config,
        datasets.test_splits(config, config.data.test),
        sharding.make_mesh(),
        folder,
    )
    return {name: row["faces"] for name, row in summaries.items()}


@pytest.mark.parametrize("lists", ["full", "short"])
def test_a_whole_copy_has_one_row_for_each_subset(copy: pathlib.Path, tmp_path: pathlib.Path, lists: str):
    if lists == "short":
        keep_only_short_lists(copy, whole=True)
    assert rows(copy, tmp_path / "built") == {
        "test": 4,
        "test/pose": 2,
        "test/expression": 1,
        "test/illumination": 1,
        "test/makeup": 1,
        "test/occlusion": 1,  # the images of the other one and of the only one with blur are missing
    }


def test_a_copy_of_subsets_has_one_row_for_each_of_them(copy: pathlib.Path, tmp_path: pathlib.Path):
    keep_only_short_lists(copy, whole=False)
    counts = rows(copy, tmp_path / "built")
    assert {name: count for name, count in counts.items() if "/" not in name} == {
        "test_largepose": 2,
        "test_expression": 1,
        "test_illumination": 1,
        "test_makeup": 1,
        "test_occlusion": 1,
    }
