"""NME in the boxes of a detector."""

import pathlib

import numpy as np
import pytest

from benchmarks import detected_boxes
from dsat_jax import Predictor
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.inference import detections, trained_network
from dsat_jax.inference.detections import Detections


def made_predictor(path: pathlib.Path, found: Detections) -> Predictor:
    return Predictor.from_run(path, lambda image: found)


def test_the_detection_with_the_largest_overlap_counts(network_path):
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 4], [5, 5, 6, 6.0]])
    predictor = made_predictor(network_path, Detections(boxes, scores=np.array([0.9, 0.8, 0.7])))
    record = {"image": np.zeros((8, 8, 3), np.uint8), "box": np.array([1, 1, 3, 3], np.float32)}
    detected = detected_boxes.detected_face(predictor, record)
    np.testing.assert_array_equal(detected.boxes, boxes[1:2])
    np.testing.assert_array_equal(detected.scores, [0.8])
    record["box"] = np.array([4.6, 4.6, 5.6, 5.6], np.float32)  # overlap 0.36 / 1.64
    assert not len(detected_boxes.detected_face(predictor, record))
    assert not len(detected_boxes.detected_face(made_predictor(network_path, detections.NONE), record))


def test_the_overlap_is_that_of_the_turned_box(network_path):
    """A box of 10 x 2 px, turned by a right angle, is one of 2 x 10 px about the same centre."""
    found = Detections(np.array([[0.0, 4.0, 10.0, 6.0]]), rolls=np.array([np.pi / 2]))
    record = {"image": np.zeros((12, 12, 3), np.uint8), "box": np.array([4, 0, 6, 10], np.float32)}
    detected = detected_boxes.detected_face(made_predictor(network_path, found), record)
    np.testing.assert_array_equal(detected.boxes, found.boxes)
    record["box"] = np.array([0, 4, 10, 6], np.float32)  # overlap 4 / 36
    assert not len(detected_boxes.detected_face(made_predictor(network_path, found), record))


def test_missed_faces_are_counted_and_others_measured_in_both_boxes(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = list(DecodedRecords(datasets.read_split(network.config, "test[:3]")))
    boxes = [record["box"].astype(np.float64)[None] for record in records]
    # The detector returns the box of the first face, another box for the second, and none for the third.
    returned = iter([Detections(boxes[0]), Detections(boxes[1] + 1000), detections.NONE])
    predictor = Predictor.from_run(network_path, lambda image: next(returned))
    errors = detected_boxes.measure(predictor, records, network.config)
    assert errors["detector"][0] == pytest.approx(errors["label"][0])
    assert errors["missed"].tolist() == [False, True, True]
    assert detected_boxes.report(errors, 0.1).startswith("2 of 3 faces missed")


def test_second_looks_of_found_faces_are_counted():
    errors = {name: np.array([0.1, 0.2, 0.3, 0.4]) for name in ("label", "detector")}
    errors |= {"missed": np.array([False, True, False, False]), "again": np.array([True, True, False, True])}
    assert "a second look for 2 of the found faces" in detected_boxes.report(errors, 0.1)


def test_faces_are_measured_in_boxes_that_are_turned_by_the_roll(network_path, tiny_dataset):
    """A detector that turns the boxes of the labels changes the errors in its boxes alone."""
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = list(DecodedRecords(datasets.read_split(network.config, "test[:2]")))
    errors = []
    for roll in (0.0, 0.5):
        returned = iter(
            [Detections(record["box"][None].astype(np.float64), np.array([roll])) for record in records]
        )
        predictor = Predictor.from_run(network_path, lambda image, returned=returned: next(returned))
        errors.append(detected_boxes.measure(predictor, records, network.config))
        assert errors[-1]["again"].all()  # the landmarks of an untrained network are elsewhere
    upright, turned = errors
    np.testing.assert_allclose(upright["detector"], upright["label"], rtol=1e-6)
    np.testing.assert_allclose(turned["label"], upright["label"], rtol=1e-6)
    assert (np.abs(turned["detector"] - turned["label"]) > 1e-4).all()
