"""Custom images and landmarks, from building the dataset to prediction."""

import json
import pathlib

import numpy as np
import pytest

from configs import folder
from dsat_jax import drawing, schemes
from dsat_jax.config import load_config
from dsat_jax.evaluation import evaluate
from dsat_jax.inference import predict_files
from dsat_jax.training import loop
from tfds_builders import build
from tfds_builders.landmark_folder.example_points import FIVE
from tfds_builders.synthetic_faces.drawing import draw_face

OF_98 = [96, 97, 54, 76, 82]  # pupils, tip of the nose, corners of the mouth


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> pathlib.Path:
    """A folder of ten images, with their five landmarks in points.json, and landmarks.json."""
    root = tmp_path_factory.mktemp("mine")
    points = {}
    for index in range(10):
        drawn = draw_face(seed=3, split=0, index=index)
        drawing.write_image(root / f"{index}.png", drawn.image)
        points[f"{index}.png"] = drawn.points[OF_98].tolist()
    (root / "points.json").write_text(json.dumps(points))
    (root / "train.txt").write_text("\n".join(f"{index}.png" for index in range(8)))
    (root / "landmarks.json").write_text(json.dumps({"scheme": FIVE, "train": "train.txt"}))
    return root


@pytest.fixture(scope="module")
def config(raw, tmp_path_factory):
    config = folder.get_config("small")
    config.data.data_dir = str(tmp_path_factory.mktemp("data"))
    build.build("landmark_folder", raw, config.data.data_dir)
    config.data.update(train="train[:6]", validation="train[6:]")
    config.input.size = 32
    config.model.update(width=8, stacks=0)
    config.train.update(batch_size=2, steps=2, evaluate_every=2)
    config.evaluate.batch_size = 2
    return config


def test_from_a_folder_to_landmarks(raw, config, tmp_path):
    workdir = tmp_path / "run"
    loop.train(config, workdir)
    summaries = evaluate.evaluate_run(workdir)
    assert summaries["test"]["faces"] == 2
    assert np.isfinite(summaries["test"]["nme"])
    assert schemes.find(load_config(workdir).data.scheme) == schemes.read_scheme(FIVE, "here")
    assert config.data.scheme == ""  # the caller's configuration is unchanged
    assert loop.train(config, workdir) is not None  # the same command continues the run

    options = predict_files.Options(whole_image=True)
    counts = predict_files.predict_files(workdir, [str(raw / "0.png")], tmp_path / "out", options)
    assert counts["faces"] == 1
    (face,) = json.loads((tmp_path / "out" / "0.json").read_text())["faces"]
    assert np.array(face["landmarks"]).shape == (5, 2)


def test_a_run_of_another_scheme_is_refused(config):
    other = config.copy_and_resolve_references()
    other.data.scheme = "w300_68"
    with pytest.raises(ValueError, match="landmarks of five cannot be converted to w300_68"):
        loop.train(other, pathlib.Path("never-made"))


def test_a_folder_that_was_not_built_has_no_scheme_yet(config, tmp_path):
    other = config.copy_and_resolve_references()
    other.data.data_dir = str(tmp_path)
    with pytest.raises(FileNotFoundError, match="landmark_folder has not been built there"):
        loop.train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()
