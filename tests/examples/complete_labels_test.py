"""Labels completed by predictions: labels stay, predictions move along, far predictions are left out."""

import json

import numpy as np
import pytest
from made_folders import build_five

from dsat_jax import schemes
from examples import complete_labels
from tfds_builders import build

SQUARE = np.array([[10.0, 10.0], [30.0, 10.0], [10.0, 30.0], [30.0, 30.0], [20.0, 20.0]])


def test_labels_stay_and_predictions_move_with_them():
    known = np.array([True, True, True, True, False])
    labels = np.where(known[:, None], SQUARE + np.array([1.0, 0.5]), 0.0)
    found = complete_labels.completed(SQUARE, labels, known, size=100.0)
    np.testing.assert_array_equal(found[:4], labels[:4])
    np.testing.assert_allclose(found[4], [21.0, 20.5])


def test_predictions_far_from_the_labels_are_refused():
    known = np.ones(5, bool)
    assert complete_labels.completed(SQUARE, SQUARE + np.array([0.0, 2.9]), known, size=100.0) is not None
    assert complete_labels.completed(SQUARE, SQUARE + np.array([0.0, 3.1]), known, size=100.0) is None


def test_the_folder_is_a_dataset_of_the_networks_landmarks(tiny_dataset, tmp_path, capsys):
    out = tmp_path / "completed"
    arguments = ["dsat-300w", "--dataset=synthetic_faces/tiny", f"--data_dir={tiny_dataset}"]
    complete_labels.main([*arguments, "--split=train[:6]", f"--out={out}"])
    count = len(list(out.glob("*.jpg")))
    assert f"{count} faces; {6 - count} left out" in capsys.readouterr().out
    assert count >= 2
    built = build.build("landmark_folder", out, tmp_path / "built")[0]
    assert built.scheme == schemes.W300_68
    assert built.info.splits["train"].num_examples == count
    assert json.loads((out / "landmarks.json").read_text())["scheme"] == "w300_68"


def test_every_face_has_its_own_files(tmp_path):
    for name, face in ((b"a/photo.1.png", 0), (b"a/photo.2.png", 0), (b"a/photo.2.png", 1)):
        record = {"name": name, "face": np.int32(face), "image": np.zeros((8, 8, 3), np.uint8)}
        complete_labels.write(tmp_path, record, SQUARE)
    assert len(list(tmp_path.glob("*.jpg"))) == len(list(tmp_path.glob("*.json"))) == 3


def test_a_dataset_with_too_few_common_landmarks_is_refused(tmp_path, capsys):
    built = build_five(tmp_path)
    with pytest.raises(SystemExit):
        complete_labels.main(
            ["dsat-300w", f"--data_dir={built}", "--split=train", f"--out={tmp_path / 'out'}"]
        )
    assert "five labels 0 landmarks of w300_68, expected 3 or more" in capsys.readouterr().err
