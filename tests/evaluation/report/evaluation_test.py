"""Content of a report: distinct faces, image names, the description of the normaliser."""

import numpy as np
import pytest
from made_evaluation import drawn_face, made_evaluation, made_record

from dsat_jax import metrics, schemes
from dsat_jax.evaluation.report.evaluation import distinct_faces, picture_names


def test_faces_of_two_splits_count_once_in_the_whole():
    faces = distinct_faces(made_evaluation(faces=6, overlapping=True))
    assert len(faces.result.nme) == 6
    assert faces.split == ["test"] * 6
    assert list(faces.result.attributes) == ["pose", "blur"]  # in the order of the dataset


def test_several_faces_of_an_image_have_different_names():
    labels = drawn_face(np.random.default_rng(0))
    source = [made_record(3, labels), made_record(3, labels) | {"face": np.int32(2)}]
    assert picture_names(source, np.array([1, 0])) == ["folder/<3>.jpg#2", "folder/<3>.jpg"]


@pytest.mark.parametrize("normaliser", metrics.NORMALISERS)
def test_every_normaliser_has_a_description(normaliser):
    evaluation = made_evaluation(faces=2)
    evaluation.config.evaluate.normaliser = normaliser
    assert evaluation.normaliser_in_words == metrics.NORMALISERS_IN_WORDS[normaliser]


def test_the_normaliser_of_a_custom_scheme_is_the_distance_of_its_landmarks():
    evaluation = made_evaluation(faces=2)
    custom = {"name": "three", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}
    evaluation.config.data.scheme = schemes.as_text(schemes.read_scheme(custom, "the test"))
    assert evaluation.normaliser == evaluation.normaliser_in_words == "distance of landmarks 0 and 1"
