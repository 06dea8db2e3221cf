"""The features and the two configurations of every builder, and records as the writer of TFDS expects them."""

import cv2
import numpy as np

from dsat_jax.records import CUT_SIDE
from tfds_builders import faces

FACES, ORIGINAL = faces.CONFIGS
LANDMARKS = np.array([[30.0, 40.0], [50.0, 42.0], [41.0, 70.5]])


def test_the_default_configuration_is_faces():
    assert [config.name for config in faces.CONFIGS] == ["faces", "original"]


def test_features_have_attributes_only_where_the_dataset_has_them():
    assert "attributes" not in faces.features(5)
    spec = faces.features(5, ("pose", "blur"))
    assert spec["landmarks"].shape == (5, 2)
    assert sorted(spec["attributes"]) == ["blur", "pose"]


def test_the_configuration_chooses_between_the_cut_and_the_whole_image():
    image = np.zeros((600, 500, 3), np.uint8)
    sides = []
    for config in (FACES, ORIGINAL):
        record = faces.make_record(config, picture=image, landmarks=LANDMARKS, name="a", face=2)
        assert (record["name"], record["face"]) == ("a", 2)
        encoded = np.frombuffer(record["image"].getvalue(), np.uint8)
        sides.append(max(cv2.imdecode(encoded, cv2.IMREAD_COLOR).shape))
    assert sides[0] < CUT_SIDE < sides[1] == 600
