"""The measurements on disturbed faces and on detected boxes: what they do to a face, and that without they agree."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from benchmarks import detected_boxes, robustness, robustness_picture
from configs import synthetic
from dsat_jax import Predictor, models
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.evaluation import evaluate
from dsat_jax.inference import trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.runtime import sharding
from dsat_jax.training import initial_state, optimizer
from dsat_jax.weights import network_file


def face(box=(20.0, 30.0, 60.0, 80.0), seed=0) -> robustness.Face:
    image = np.random.default_rng(1).integers(0, 256, (100, 90, 3), dtype=np.uint8)
    return robustness.Face(image, np.array(box), 0.0, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def network_path(tiny_dataset, tmp_path_factory):
    """A file of random weights, which looks for 98 landmarks in 32 pixels."""
    config = synthetic.get_config()
    config.data.update(dataset="synthetic_faces/tiny")
    config.input.size = 32
    config.model.update(width=8, stacks=0, gate="none")
    transform = optimizer.make_optimizer(config.optimizer, 10)
    begun = initial_state.begin(config, models.build_for(config), transform, sharding.make_mesh())
    path = tmp_path_factory.mktemp("networks") / "random.safetensors"
    network_file.write(path, config, jax.device_get(begun.ema))
    return path


@pytest.mark.parametrize("name", robustness.SERIES)
def test_the_first_strength_changes_nothing(name):
    series = robustness.SERIES[name]
    before = face()
    after = series.disturb(before, series.strengths[0])
    np.testing.assert_allclose(after.box, before.box)
    assert after.angle == 0
    if name != "jpeg":  # which is of a smaller picture
        np.testing.assert_array_equal(after.image, before.image)


def test_boxes_move_and_grow_by_their_share():
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
def test_the_stronger_the_less_of_the_picture_is_left(name):
    series = robustness.SERIES[name]
    before = face().image.astype(float)
    lost = [np.abs(series.disturb(face(), strength).image - before).mean() for strength in series.strengths]
    assert lost == sorted(lost)
    assert len({*lost}) == len(lost)


def test_landmarks_of_turned_faces_are_turned_back(network_path):
    """Of a network that finds the one bright dot in each crop, wherever it was turned."""
    network = trained_network.load(network_path)
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
        found = np.stack([(weights * axis).sum(axis=(1, 2)) / total for axis in (columns, rows)], axis=-1)
        return Landmarks(np.repeat(found[:, None], 98, axis=1), None, None)

    network.config.evaluate.normaliser = "box_size"  # 60 px
    measured = robustness.Measured(network, records)
    measured._forward = brightest
    for angle in (0.0, 30.0, 45.0):
        turned = measured.nme(robustness.SERIES["rotation"], angle)
        assert turned < 100 * 0.5 / 60  # half a pixel; turned to the wrong side it were more than 15
    assert measured.nme(robustness.SERIES["shift"], 0.2) < 100 * 0.5 / 60


def test_landmarks_without_a_label_do_not_count(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = [dict(record) for record in DecodedRecords(datasets.read_split(network.config, "test[:2]"))]
    whole = robustness.Measured(network, records).nme(robustness.SERIES["shift"], 0.0)
    for record in records:
        unknown = np.arange(98) % 7 == 3  # the eye corners are not among them
        record["visibility"] = np.where(unknown, 0, record["visibility"]).astype(np.uint8)
        record["landmarks"] = np.where(unknown[:, None], 1e6, record["landmarks"])
    assert robustness.Measured(network, records).nme(robustness.SERIES["shift"], 0.0) == pytest.approx(
        whole, rel=0.2
    )
    predictor = Predictor.from_run(network_path, lambda image: np.empty((0, 4)))
    errors = detected_boxes.measure(predictor, records, network.config)
    assert 100 * errors["label"].mean() == pytest.approx(whole, rel=0.2)


def test_a_network_or_a_split_that_is_not_there_is_named(network_path, tiny_dataset, tmp_path, capsys):
    for network, split in ((str(tmp_path / "absent"), "test"), (str(network_path), "tset")):
        with pytest.raises(SystemExit):
            robustness.main(
                [
                    network,
                    "--dataset=synthetic_faces/tiny",
                    f"--split={split}",
                    f"--data_dir={tiny_dataset}",
                    "--out=a",
                ]
            )
    said = capsys.readouterr().err
    assert "absent is neither a file or folder, nor a network that is shipped" in said
    assert "tset" in said


def test_undisturbed_faces_have_the_error_of_the_evaluation(network_path, tiny_dataset, tmp_path, capsys):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = datasets.read_split(network.config, "test")
    step = jit_forward(network.model, network.config, network.mesh)
    expected = evaluate.evaluate_split(step, network.variables, network.config, records, network.mesh)
    measured = robustness.Measured(network, list(DecodedRecords(records)))
    assert measured.nme(robustness.SERIES["rotation"], 0.0) == pytest.approx(
        100 * expected.nme.mean(), rel=1e-4
    )


def test_the_picture_has_a_panel_for_each_disturbance(tmp_path):
    values = {
        name: [(s, 4.0 + i) for i, s in enumerate(series.strengths)]
        for name, series in robustness.SERIES.items()
    }
    values["shift, seen twice"] = values["shift"]
    labels = {name: series.label for name, series in robustness.SERIES.items()}
    said = {"network": "net", "split": "w300, test", "nme": values}
    robustness_picture.draw(json.loads(json.dumps(said)), labels, tmp_path / "robustness.png")
    with Image.open(tmp_path / "robustness.png") as picture:
        assert picture.size == (1100, 560)
    assert "| rotation, degrees | 4.00 (0), 5.00 (10), 6.00 (20), 7.00 (30), 8.00 (45) |" in robustness.table(
        values
    )
    assert "share of its sides, seen twice |" in robustness.table(values)


def test_overlap_of_boxes():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6.0]])
    np.testing.assert_allclose(detected_boxes.overlap(boxes, np.array([1, 1, 3, 3.0])), [1 / 7, 1, 0])


def test_missed_faces_are_counted_and_found_ones_measured_in_their_boxes(network_path, tiny_dataset):
    network = trained_network.load(network_path)
    network.config.data.data_dir = tiny_dataset
    records = list(DecodedRecords(datasets.read_split(network.config, "test[:3]")))
    boxes = [record["box"].astype(np.float64)[None] for record in records]
    # The first picture's face is found where it is, the second's elsewhere, in the third there is none.
    answers = iter([boxes[0], boxes[1] + 1000, np.empty((0, 4))])
    predictor = Predictor.from_run(network_path, lambda image: next(answers))
    errors = detected_boxes.measure(predictor, records, network.config)
    assert errors["detector"][0] == pytest.approx(errors["label"][0])
    assert errors["missed"].tolist() == [False, True, True]
    assert detected_boxes.report(errors, 0.1).startswith("2 of 3 faces missed")
