"""Common parts of the measurements: loading, error messages, NME."""

import numpy as np
import pytest

from benchmarks import network_on_split
from configs import synthetic


def load(*arguments: str):
    parser = network_on_split.parser("a measurement", "synthetic_faces/tiny")
    return network_on_split.load(parser, parser.parse_args(arguments))


def test_network_and_split_are_loaded(network_path, tiny_dataset):
    network, records = load(str(network_path), "--split=test", f"--data_dir={tiny_dataset}")
    assert network.config.data.dataset == "synthetic_faces/tiny"
    assert len(records) == 16
    crops = np.zeros((2, 32, 32, 3), np.uint8)
    assert network_on_split.crop_forward(network)(crops).points.shape == (2, 98, 2)


def test_a_missing_network_or_split_is_in_the_error_message(network_path, tiny_dataset, tmp_path, capsys):
    for network, split in ((str(tmp_path / "absent"), "test"), (str(network_path), "tset")):
        with pytest.raises(SystemExit):
            load(network, f"--split={split}", f"--data_dir={tiny_dataset}")
    messages = capsys.readouterr().err
    assert "absent is neither" in messages
    assert "tset" in messages


def test_landmarks_without_a_label_do_not_count():
    config = synthetic.get_config()
    config.evaluate.normaliser = "box_size"
    labels, visibility = np.zeros((98, 2)), np.ones(98, np.uint8)
    labels[3], visibility[3] = 1e6, 0
    record = {"landmarks": labels, "visibility": visibility, "box": np.array([0.0, 0.0, 10.0, 40.0])}
    nme = network_on_split.face_nme(np.full((1, 98, 2), [3.0, 4.0]), [record], config)
    np.testing.assert_allclose(nme, [5 / 20])
