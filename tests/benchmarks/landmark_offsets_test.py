"""Offsets of labels from predictions: by hand, whatever the roll, and the errors without them."""

import dataclasses

import numpy as np
import pytest

from benchmarks import hard_faces, labelled_faces, landmark_offsets
from benchmarks.hard_faces import Measured
from dsat_jax.errors import UserError
from dsat_jax.schemes import W300_68, WFLW_98


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def test_offsets_by_hand():
    # Labels around (4, 1), a box of 8 x 2 px and thus of size 4; the last label is unknown.
    labels = np.array([[[0.0, 0.0], [8.0, 0.0], [8.0, 2.0], [0.0, 2.0], [np.nan, np.nan]]])
    predicted = labels.copy()
    predicted[0, 0] = (4.0, 2.0)  # below the middle: along is down, across is left
    predicted[0, 4] = (1.0, 1.0)
    found = landmark_offsets.offsets(predicted, labels, np.array([4.0]))
    np.testing.assert_allclose(found[0, 0], [-0.5, 1.0])
    np.testing.assert_allclose(found[0, 1:4], 0, atol=1e-12)
    assert np.isnan(found[0, 4]).all()


def test_a_common_offset_is_found_and_removed_whatever_the_roll():
    random = np.random.default_rng(0)
    shape = random.normal(size=(68, 2))
    shape -= shape.mean(axis=0)
    predicted = shape * random.uniform(0.9, 1.1, (50, 1, 1))
    labels = predicted.copy()
    labels[:, :17] *= 0.9  # labels of the jaw inside of the predictions
    labels[:25] = turned(labels[:25], 130.0)
    predicted[:25] = turned(predicted[:25], 130.0)
    size = np.sqrt(np.ptp(labels, axis=1).prod(axis=-1, keepdims=True))
    found = landmark_offsets.offsets(predicted, labels, size[:, 0])
    assert (np.median(found[:25, :17, 0], axis=0) < -0.005).all()
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=-1), np.linalg.norm(labels - predicted, axis=-1) / size, atol=1e-12
    )
    for faces_of_a_roll in (found[:25], found[25:]):
        rest = faces_of_a_roll - landmark_offsets.median_offsets(faces_of_a_roll)
        np.testing.assert_allclose(rest, 0, atol=1e-12)


def test_the_jaw_is_a_group_of_its_own():
    groups = landmark_offsets.landmark_groups(W300_68)
    assert np.flatnonzero(groups["jaw"]).tolist() == [*range(17)]
    assert np.flatnonzero(groups["others"]).tolist() == [*range(17, 68)]
    assert groups["all"].all()
    assert np.flatnonzero(landmark_offsets.landmark_groups(WFLW_98)["jaw"]).tolist() == [*range(33)]


def test_errors_of_each_group_by_hand():
    # A box of 40 x 90 px, size 60, with 20 px between the eyes; the second face is twice as large, and one landmark of
    # the jaw is unknown in both.
    labels = np.full((2, 68, 2), [20.0, 30.0])
    labels[:, 0], labels[:, 1] = (0, 0), (40, 90)
    labels[:, 36], labels[:, 45] = (10, 30), (30, 30)
    predicted = labels.copy()
    predicted[:, :17] += (1.8, 2.4)  # 3 px, 5 % of the size
    labels[:, 3] = np.nan
    labels[1] *= 2
    predicted[1] *= 2
    result = Measured(
        "net", "made", "labels", ["a", "b"], np.zeros(2, bool), {}, {}, W300_68, predicted, labels
    )
    lines, medians = landmark_offsets.rows(result)
    whole, jaw, others = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    share = 16 / 67  # of the known landmarks are off
    assert whole[:6] == ["made", "net", "2", "all", f"{15 * share:.2f}", "0.00"]
    assert jaw[3:6] == ["jaw", "15.00", "100.00"]
    assert others[3:] == ["others", "0.00", "0.00", "0.00", "0.00"]
    # The two faces are the same, so that nothing is left without the offset.
    assert whole[6:] == [f"{5 * share:.2f}", "0.00"]
    assert jaw[6:] == ["5.00", "0.00"]
    assert "3: nan" in medians


def test_a_scheme_without_boundaries_has_no_jaw():
    with pytest.raises(UserError, match="w300_68 has no boundaries, expected one of the chin"):
        landmark_offsets.landmark_groups(dataclasses.replace(W300_68, boundaries=()))


def test_the_tables_of_a_split(network_path, tiny_dataset, capsys):
    split, folder = "synthetic_faces/tiny:test[:4]", f"--data_dir={tiny_dataset}"
    landmark_offsets.main([str(network_path), f"--split={split}", folder])
    lines = capsys.readouterr().out.splitlines()
    hard_faces.main([str(network_path), f"--split={split}", folder])
    expected = capsys.readouterr().out.splitlines()[2].split("|")
    found = lines[2].split("|")
    assert found[5:8] == [expected[6], expected[8], expected[7]]
    assert float(found[8]) < float(found[7])
    data = labelled_faces.read_split(split, str(tiny_dataset))
    jaw = landmark_offsets.landmark_groups(data.scheme)["jaw"].sum()
    assert lines[-1].count(": ") - split.count(": ") == jaw
