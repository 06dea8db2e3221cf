"""NME in the boxes of a detector."""

import numpy as np
import pytest

from benchmarks import detected_boxes
from dsat_jax import Predictor
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.inference import trained_network


def test_the_detected_box_with_the_largest_overlap_counts(network_path):
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 4], [5, 5, 6, 6.0]])
    predictor = Predictor.from_run(network_path, lambda image: boxes)
    record = {"image": np.zeros((8, 8, 3), np.uint8), "box": np.array([1, 1, 3, 3], np.float32)}
    np.testing.assert_array_equal(detected_boxes.detected_box(predictor, record), boxes[1])
    record["box"] = np.array([4.6, 4.6, 5.6, 5.6], np.float32)  # overlap 0.36 / 1.64
    assert detected_boxes.detected_box(predictor, record) is None


def test_missed_faces_are_counted_and_others_measured_in_both_boxes(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = list(DecodedRecords(datasets.read_split(network.config, "test[:3]")))
    boxes = [record["box"].astype(np.float64)[None] for record in records]
    # The detector returns the box of the first face, another box for the second, and none for the third.
    detections = iter([boxes[0], boxes[1] + 1000, np.empty((0, 4))])
    predictor = Predictor.from_run(network_path, lambda image: next(detections))
    errors = detected_boxes.measure(predictor, records, network.config)
    assert errors["detector"][0] == pytest.approx(errors["label"][0])
    assert errors["missed"].tolist() == [False, True, True]
    assert detected_boxes.report(errors, 0.1).startswith("2 of 3 faces missed")
