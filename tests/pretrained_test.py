"""The shipped networks: whole, small, described, and of use."""

import hashlib
import pathlib
import re
import shutil

import numpy as np
import pytest

from dsat_jax import Predictor, datasets, evaluate, pretrained, trained
from tfds_builders import build

RAW = pathlib.Path(__file__).parents[2] / "shared" / "data" / "300W"
LARGEST = 20_000_000  # bytes


@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_files_are_small_whole_and_described(name):
    path = pretrained.weights(name)
    assert path.stat().st_size <= LARGEST
    assert hashlib.sha256(path.read_bytes()).hexdigest() == pretrained.PRETRAINED[name]
    card = path.with_suffix(".md").read_text()
    assert pretrained.PRETRAINED[name] in card
    assert "research" in card
    assert {file.stem for file in path.parent.glob("*.safetensors")} == {*pretrained.PRETRAINED}


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    shutil.copy(pretrained.weights(pretrained.DEFAULT), tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    path = tmp_path / f"{pretrained.DEFAULT}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"safetensors is damaged: its SHA-256 is [0-9a-f]{64}, expected"):
        Predictor.pretrained()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=pretrained.DEFAULT):
        Predictor.pretrained()


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no network 'dsat-wflw' is shipped; there are dsat-300w"):
        Predictor.pretrained("dsat-wflw")
    with pytest.raises(FileNotFoundError, match="dsat-wflw is neither a file or folder, nor a network"):
        pretrained.find("dsat-wflw")


@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_faces_that_are_drawn_are_found_roughly(name, tiny_dataset):
    """Trained on photographs, they know drawn faces, too; a wrong crop, order or mirror would cost more."""
    network = trained.load(pretrained.weights(name))
    network.config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset)
    records = datasets.read_split(network.config, "test")
    step = evaluate.make_evaluation_step(network.model, network.config, network.mesh)
    found = evaluate.evaluate_split(step, network.variables, network.config, records, network.mesh)
    assert np.median(found.nme) < 0.1


@pytest.mark.slow
@pytest.mark.skipif(not RAW.is_dir(), reason="needs the pictures of 300W")
@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_the_card_tells_the_error_on_300w(name, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    build.build("w300", RAW, data_dir)
    network = trained.load(pretrained.weights(name))
    network.config.data.data_dir = str(data_dir)
    records = datasets.read_split(network.config, "helen_test")
    step = evaluate.make_evaluation_step(network.model, network.config, network.mesh)
    found = evaluate.evaluate_split(step, network.variables, network.config, records, network.mesh)
    card = pretrained.weights(name).with_suffix(".md").read_text()
    told = re.search(r"\| helen_test, 330 faces, boxes of the labels \| ([\d.]+) \|", card)
    assert len(found.nme) == 330
    assert f"{100 * found.nme.mean():.2f}" == told[1]
