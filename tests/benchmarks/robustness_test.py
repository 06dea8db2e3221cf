"""The measurement on disturbed faces: effects of the disturbances, agreement with the evaluation without any."""

import numpy as np
import pytest

from benchmarks import detected_boxes, network_on_split, robustness
from dsat_jax import Predictor
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.evaluation import evaluate
from dsat_jax.inference import detections, trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.trained_network import TrainedNetwork


def face(box=(20.0, 30.0, 60.0, 80.0), seed=0) -> robustness.Face:
    image = np.random.default_rng(1).integers(0, 256, (100, 90, 3), dtype=np.uint8)
    return robustness.Face(image, np.array(box), 0.0, np.random.default_rng(seed))


def measured(network: TrainedNetwork, records) -> robustness.Measured:
    return robustness.Measured(network_on_split.crop_forward(network), network.config, records)


@pytest.mark.parametrize("name", robustness.SERIES)
def test_the_first_strength_changes_nothing(name):
    series = robustness.SERIES[name]
    before = face()
    after = series.disturb(before, series.strengths[0])
    np.testing.assert_allclose(after.box, before.box)
    assert after.angle == 0
    if name != "jpeg":  # which resizes the image
        np.testing.assert_array_equal(after.image, before.image)


def test_boxes_are_moved_and_scaled_by_a_share_of_their_sides():
    moved = robustness.shift_box(face(), 0.1).box - face().box
    np.testing.assert_allclose(moved[:2], moved[2:])
    assert np.hypot(moved[0] / 40, moved[1] / 50) == pytest.approx(0.1)
    grown = robustness.scale_box(face(), 0.2).box
    assert abs(grown[2] - grown[0]) / 40 in (pytest.approx(0.8), pytest.approx(1.2))
    np.testing.assert_allclose((grown[:2] + grown[2:]) / 2, [40, 55])


def test_a_square_covers_its_share_of_the_box():
    covered = robustness.cover(face(), 0.25).image
    changed = (covered == 128).all(axis=-1)
    assert changed.sum() == pytest.approx(0.25 * 40 * 50, rel=0.1)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 30
    assert rows.max() <= 80
    assert columns.min() >= 20
    assert columns.max() <= 60


def test_light_is_multiplied_and_clipped():
    before = face().image
    np.testing.assert_array_equal(
        robustness.brighten(face(), 2.0).image, np.minimum(2 * before.astype(int), 255)
    )


@pytest.mark.parametrize("name", ["blur", "jpeg"])
def test_stronger_disturbances_change_the_image_more(name):
    series = robustness.SERIES[name]
    before = face().image.astype(float)
    changes = [
        np.abs(series.disturb(face(), strength).image - before).mean() for strength in series.strengths
    ]
    assert changes == sorted(changes)
    assert len({*changes}) == len(changes)


def test_landmarks_of_rotated_faces_are_rotated_back(network_path):
    """The forward pass returns the position of the single bright dot in each crop."""
    config = trained_network.load(network_path).config
    dots = np.array([[62.0, 40.0], [35.0, 70.0]])
    records = []
    for x, y in dots.astype(int):
        image = np.zeros((100, 90, 3), np.uint8)
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
        labels, visibility = np.full((98, 2), [x, y]), np.ones(98, np.uint8)
        box = np.array([20.0, 20.0, 80.0, 80.0])
        records.append({"image": image, "landmarks": labels, "box": box, "visibility": visibility})

    def brightest(crops):
        weights = crops[..., 0].astype(float)
        rows, columns = np.indices(weights.shape[1:])
        total = np.maximum(weights.sum(axis=(1, 2)), 1)
        dot = np.stack([(weights * axis).sum(axis=(1, 2)) / total for axis in (columns, rows)], axis=-1)
        return Landmarks(np.repeat(dot[:, None], 98, axis=1), None, None)

    config.evaluate.normaliser = "box_size"  # 60 px
    dots_measured = robustness.Measured(brightest, config, records)
    for angle in (0.0, 30.0, 45.0):
        # Half a pixel; a rotation in the wrong direction would cause an error of more than 15 pixels.
        assert dots_measured.nme(robustness.SERIES["rotation"], angle) < 100 * 0.5 / 60
    assert dots_measured.nme(robustness.SERIES["shift"], 0.2) < 100 * 0.5 / 60


def test_landmarks_without_a_label_do_not_count(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = [dict(record) for record in DecodedRecords(datasets.read_split(network.config, "test[:2]"))]
    whole = measured(network, records).nme(robustness.SERIES["shift"], 0.0)
    for record in records:
        unknown = np.arange(98) % 7 == 3  # without the eye corners
        record["visibility"] = np.where(unknown, 0, record["visibility"]).astype(np.uint8)
        record["landmarks"] = np.where(unknown[:, None], 1e6, record["landmarks"])
    assert measured(network, records).nme(robustness.SERIES["shift"], 0.0) == pytest.approx(whole, rel=0.2)
    predictor = Predictor.from_run(network_path, lambda image: detections.NONE)
    errors = detected_boxes.measure(predictor, records, network.config)
    assert 100 * errors["label"].mean() == pytest.approx(whole, rel=0.2)


def test_undisturbed_faces_have_the_error_of_the_evaluation(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = datasets.read_split(network.config, "test")
    step = jit_forward(network.model, network.config, network.mesh)
    expected = evaluate.evaluate_split(step, network.variables, network.config, records, network.mesh)
    nme = measured(network, list(DecodedRecords(records))).nme(robustness.SERIES["rotation"], 0.0)
    assert nme == pytest.approx(100 * expected.nme.mean(), rel=1e-4)


def test_a_refinement_pass_predicts_in_the_crop_of_the_predictor(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = list(DecodedRecords(datasets.read_split(network.config, "test[:2]")))
    images, boxes = zip(*[(record["image"], record["box"][None]) for record in records], strict=True)
    faces = Predictor.from_network(network).predict_many(images, boxes, looks=2)
    predicted = np.stack([face.landmarks for (face,) in faces])
    expected = network_on_split.face_nme(predicted, records, network.config)
    nme = measured(network, records).nme(robustness.SERIES["shift"], 0.0, looks=2)
    assert nme == pytest.approx(100 * expected.mean(), rel=1e-4)


def test_the_table_has_a_line_for_each_series():
    nmes = {"rotation": [(0.0, 4.0), (10.0, 5.0)], "shift, refined": [(0.0, 4.0)]}
    table = robustness.table(nmes)
    assert "| rotation, degrees | 4.00 (0), 5.00 (10) |" in table
    assert "share of its sides, refined | 4.00 (0) |" in table
